"""What is asked and answered: values, request, decision. Nouns only; imports nothing of pdp."""

"""What the work allows: tasks, what is minted for them, and how it is taken back."""

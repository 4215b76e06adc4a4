"""Policy sets and requests made by choices, to hold the compiled program and its index to the interpreter.

    choices ─conditions, rules─▶ PolicySet ─written─▶ policy text
    choices ─facts─▶ Facts ─document─▶ a request in JSON

Every generator is a plain function of a `Choices`: hypothesis can drive it and shrink what it finds, and so
can a seeded `random.Random` where many thousands are wanted. Names and values come from `estate`, few enough
that rules, requests and constants meet.
"""

"""Policy sets and requests, made by choices: what the compiled program and its index are held to the interpreter by.

    choices ─conditions, rules─▶ PolicySet ─written─▶ policy text
    choices ─facts─▶ Facts ─document─▶ a request in JSON

Every generator is a plain function of a `Choices`, so hypothesis can drive it and shrink what it finds, and so
can a seeded `random.Random` where many thousands are wanted. Names and values come from `estate`, few enough
that rules, requests and constants meet.
"""

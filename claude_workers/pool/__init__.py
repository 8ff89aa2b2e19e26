"""The pool: the verbs of one machine, as a person, a library or another machine asks for them."""

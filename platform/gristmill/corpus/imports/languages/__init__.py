"""One module a language: what its files import, and how the language finds it.

A module here defines `RULES: LanguageRules` and nothing else has to know of it: the registry finds
it. What several languages share (scopes, nearness) or what is too much for one file (package.json,
tsconfig.json) lies one folder above.
"""

"""The screens' frame: the ASGI app, navigation, cached reads, charts and wording."""

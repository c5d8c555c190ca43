"""Who am I here?"""

from dashboard import account_panel, panels

panels.title("Account")
account_panel.account()

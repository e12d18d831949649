"""Who may use a server that asks for a login: asked on every page, before anything is shown."""

from __future__ import annotations

import streamlit as st

from ndcore.settings import settings

NAMES = ("sub", "email", "user", "name")  # what may name a user, the surest first


def user() -> str:
    """Who is logged in, as the login names them; "" where none is asked for, or nobody is."""
    return _user(settings().login)


def _user(how: str) -> str:
    told = dict(st.user.to_dict()) if how != "none" else {}
    if not told.get("is_logged_in", how == "headers"):
        return ""
    return next((str(told[name]) for name in NAMES if told.get(name)), "")


def gate() -> None:
    """End the page here with the way to log in, where one is asked for and nobody is.

    Raises:
        BadRequestError: the settings cannot be read.
    """
    how = settings().login
    if how == "none" or _user(how):
        return
    st.title("Neural Divergence")
    if how == "oidc":
        st.info("This server asks who you are.")
        st.button("Log in", icon=":material/login:", type="primary", on_click=st.login, key="login")
    else:
        st.error("This server is open only to who comes through its login.")
    st.stop()

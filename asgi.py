"""The app for a server that several people share: `streamlit run asgi.py`."""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware
from streamlit.config import set_option

from ndcore.settings import settings
from pages.ui.frame.posture import Guard, stay_at_home

stay_at_home()
HOSTS = tuple(name.strip() for name in settings().hosts.split(",") if name.strip())
if HOSTS:
    known = [f"{scheme}://{name}" for name in HOSTS for scheme in ("http", "https")]
    set_option("server.corsAllowedOrigins", known)
app = st.App("Home.py", middleware=[Middleware(Guard, hosts=HOSTS)])

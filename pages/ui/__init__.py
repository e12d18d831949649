"""Streamlit helpers of the pages."""

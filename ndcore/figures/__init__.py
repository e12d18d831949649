"""Pure drawing: data in, plotly figures or markup out; knows neither torch nor Streamlit."""

// An address that changes within a page replaces the entry of the browser's history, so that one
// press of Back leaves the page. Streamlit pushes an entry for every parameter. Another page begins
// at its top: Streamlit leaves it as far down as the one before was.
export default function () {
  if (window.onePageHistory) return;
  window.onePageHistory = true;
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const within = new URL(url ?? "", location.href).pathname === location.pathname;
    if (!within) toTop();
    return (within ? history.replaceState : push).call(history, state, title, url);
  };
  addEventListener("popstate", toTop);
}

function toTop() {
  document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: "instant" });
}

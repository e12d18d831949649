// What the browser is taught once. An address that changes within a page replaces the entry of the
// history, so that one press of Back leaves the page: Streamlit pushes an entry for every
// parameter. And the first stop of the keyboard leads past the header and the sidebar.
export default function () {
  if (document.querySelector(".skip-link")) return;
  const push = history.pushState;
  history.pushState = function (state, title, url) {
    const within = new URL(url ?? "", location.href).pathname === location.pathname;
    return (within ? history.replaceState : push).call(history, state, title, url);
  };
  const link = Object.assign(document.createElement("a"), {
    className: "skip-link", href: "#", textContent: "Skip to the content",
  });
  link.onclick = (event) => {
    event.preventDefault();
    const content = document.querySelector(".stMainBlockContainer");
    content.tabIndex = -1;
    content.focus();
  };
  document.body.prepend(link);
}

// A press on the navigation's link to the page that is shown leaves the parameters of its address,
// as a link to another page does. Streamlit alone would keep them, and show the same again. The
// address is changed as Back changes it, so that Back also returns. A dataset stays.
if (!window.driftdeskSamePage) {
  window.driftdeskSamePage = true
  const links = "[data-testid=stTopNavLink], [data-testid=stSidebarNavLink], .st-key-navigation a"
  const onClick = event => {
    const link = event.target.closest(links)
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return
    const dataset = new URLSearchParams(location.search).get("dataset")
    const kept = dataset === null ? "" : `?${new URLSearchParams({ dataset })}`
    if (new URL(link.href).pathname !== location.pathname || location.search === kept) return
    event.preventDefault()
    event.stopPropagation()
    history.pushState({}, "", location.pathname + kept)
    window.dispatchEvent(new PopStateEvent("popstate", { state: {} }))
  }
  document.addEventListener("click", onClick, true)
}

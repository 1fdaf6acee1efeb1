// Ctrl+K (or Command+K) puts the focus into the field of the page's header, without a way to the
// server: what is typed at once lands in it, and not in Streamlit's own shortcuts, such as R.
// Enter and Escape let go of it, so that the next letters are the page's shortcuts again.
if (!window.driftdeskGoTo) {
  window.driftdeskGoTo = true
  const theField = () => document.querySelector(".st-key-header-search input")
  const onKey = event => {
    const field = theField()
    if (!field) return
    if (field === document.activeElement && ["Enter", "Escape"].includes(event.key)) {
      if (!event.isComposing) setTimeout(() => field.blur()) // after Streamlit has read it
      return
    }
    const isShortcut = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey
    if (!isShortcut || event.key.toLowerCase() !== "k") return
    if (document.querySelector("[role=dialog][aria-modal=true], [data-testid=stDialog]")) return
    event.preventDefault()
    event.stopPropagation()
    field.focus()
    field.select()
  }
  document.addEventListener("keydown", onKey, true)
}

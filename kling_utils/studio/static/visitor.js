// Run before the page's first event: requests to the page say whose they are, also in a frame of another site, which may have no cookies.
// The token is kept in the browser's storage where that is allowed, else for as long as the page is open.
(...inputs) => {
  const KEY = 'motion-control-studio.visitor.v3', send = window.fetch;
  const page = new URL(document.querySelector('gradio-app')?.getAttribute('src') || window.location.href, window.location.href);
  let token = '';
  try { token = localStorage.getItem(KEY) || ''; } catch { /* not allowed in this frame */ }
  document.addEventListener('visitor', (e) => {
    token = e.detail;
    try { localStorage.setItem(KEY, token); } catch { /* the same */ }
  });
  window.fetch = (asked, how) => {
    const url = new URL(asked instanceof Request ? asked.url : asked, window.location.href);
    if (!token || url.origin !== page.origin || !url.pathname.includes('/gradio_api/')) return send(asked, how);
    const headers = new Headers(how?.headers || (asked instanceof Request ? asked.headers : undefined));
    headers.set('x-studio-visitor', token);
    return send(asked, { ...how, headers });
  };
  return inputs;
}

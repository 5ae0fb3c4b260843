// On the form of the sign-in: Gradio says of a wrong password only that the credentials are incorrect.
new MutationObserver(() => {
  const said = document.querySelector('p.creds');
  if (said && said.textContent !== SENTENCE) { said.textContent = SENTENCE; said.setAttribute('role', 'alert'); }
}).observe(document, { childList: true, subtree: true });

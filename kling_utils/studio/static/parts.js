// Before anything else of the page: a proxy that takes away a part of the path leaves it without its scripts, and so without a word.
addEventListener('error', (event) => {
  const lost = event.target;
  if (!(lost instanceof HTMLScriptElement || lost instanceof HTMLLinkElement) || document.getElementById('parts-lost')) return;
  const said = document.createElement('p');
  said.id = 'parts-lost';
  said.setAttribute('role', 'alert');
  said.style.cssText = 'font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em';
  said.textContent = 'This page could not load its parts, so it cannot work. Reload it. If it stands behind a proxy that takes away a part '
    + 'of the path, its owner sets GRADIO_ROOT_PATH to that part and starts it again. Nothing was sent or spent.';
  addEventListener('DOMContentLoaded', () => document.body.prepend(said));
  if (document.body) document.body.prepend(said);
}, true);

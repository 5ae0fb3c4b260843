// The buttons of cards, wherever a card stands: to the field that is to blame, and the report into the clipboard.
const places = { image: '#image', video: '#video', prompt: '#prompt', negative_prompt: '#negative', character_orientation: '#orientation',
  model_name: '#model', keep_original_sound: '#sound', key: '#account' };
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;

function go(field) {
  const place = document.querySelector(places[field]);
  if (!place) return;
  const box = field === 'key' && !document.querySelector('#key') ? document.querySelector('#open-key') : null;
  if (box) box.click();
  place.scrollIntoView({ block: 'center', behavior: calm ? 'auto' : 'smooth' });
  const inside = place.querySelector('textarea, input:checked, input:not([type=file]):not([type=hidden]), button, [tabindex="0"]');
  setTimeout(() => (document.querySelector('#key input') && field === 'key' ? document.querySelector('#key input') : inside)?.focus({ preventScroll: true }), box ? 500 : 60);
  place.classList.remove('is-pointed'); void place.offsetWidth; place.classList.add('is-pointed');
}
if (!window.motionStudioCards) {
  window.motionStudioCards = true;
  document.addEventListener('click', async (e) => {
    const act = e.target.closest && e.target.closest('[data-goto], [data-report]');
    if (!act) return;
    if (act.dataset.goto) { go(act.dataset.goto); return; }
    const words = act.textContent;
    try { await navigator.clipboard.writeText(act.dataset.report); act.textContent = 'Copied'; }
    catch { act.textContent = 'The browser does not allow it'; }
    setTimeout(() => { act.textContent = words; }, 1800);
  });
}

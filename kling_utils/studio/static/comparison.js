// Take against take. value: {mode: off, open, blind or told, pair, left, right: {name, facts, note}, chosen, said}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.versus'), head = root.querySelector('.versus-head'), said = root.querySelector('.versus-said');
const again = root.querySelector('.versus-blind'), votes = root.querySelector('.versus-votes');
const SAYS = {
  open: 'Both play in step. The sound is off until you choose a side to hear.',
  blind: 'Which take is better? The sides are shuffled, and the names show after your vote.',
};
let before = 'off';

function side(name, take, chosen) {
  const box = root.querySelector('.versus-' + name), $ = (part) => box.querySelector('.versus-' + part);
  $('name').textContent = take ? take.name : ''; $('facts').textContent = take ? take.facts : ''; $('note').textContent = take ? take.note : '';
  box.classList.toggle('is-chosen', chosen === name);
}
function apply() {
  const v = props.value || {}, mode = v.mode || 'off', had = root.contains(document.activeElement);
  root.hidden = mode === 'off';
  root.dataset.mode = mode;
  head.textContent = mode === 'blind' ? 'Blind comparison' : 'Take against take';
  said.textContent = v.said || SAYS[mode] || '';
  for (const name of ['left', 'right']) side(name, v[name], v.chosen);
  root.querySelector('.versus-sides').hidden = !v.left;
  votes.hidden = mode !== 'blind';
  for (const b of votes.children) b.disabled = false;
  again.hidden = mode === 'blind';
  again.textContent = mode === 'told' ? 'Compare again, blind' : 'Compare them blind';
  if (mode !== 'off' && before === 'off') {                                // it opened from the gallery, which may be far below
    element.dispatchEvent(new CustomEvent('studio:show', { bubbles: true, detail: root }));
    requestAnimationFrame(() => head.focus({ preventScroll: true }));
  } else if (mode !== 'off' && mode !== before && had) head.focus({ preventScroll: true });   // the button that was pressed is gone
  before = mode;
}
votes.addEventListener('click', (e) => {
  const button = e.target.closest('[data-choice]');
  if (!button) return;
  for (const b of votes.children) b.disabled = true;                       // a vote counts once
  head.focus({ preventScroll: true });
  trigger('vote', { choice: button.dataset.choice });
});
again.addEventListener('click', () => trigger('blind', {}));
root.querySelector('.versus-back').addEventListener('click', () => {
  trigger('back', {});
  document.querySelector('#stage .stage')?.focus({ preventScroll: true });
});
watch('value', apply);
apply();

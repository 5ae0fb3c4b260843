// What next. value: {job_id, items: [{id, label, note, price, blocked}], copies: [{id, label, text}], trim: {length, least} or null, deletable}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.next');
const $ = (selector) => root.querySelector(selector);
const offers = $('.next-offers'), trim = $('.next-trim'), code = $('.next-code'), sure = $('.next-sure'), told = $('.next-told');
const from = $('[name=from]'), to = $('[name=to]');
let job = '', busy = 0;

function button(parent, className, text) {
  const b = document.createElement('button');
  b.type = 'button'; b.className = className; b.textContent = text;
  parent.append(b);
  return b;
}
function line(parent, className, text) { const s = document.createElement('span'); s.className = className; s.textContent = text; parent.append(s); }
function say(text) { told.textContent = text; if (text) setTimeout(() => { if (told.textContent === text) told.textContent = ''; }, 4000); }
function lock(on) {                                                       // one click, one job
  clearTimeout(busy);
  offers.querySelectorAll('button').forEach((b) => { b.disabled = on || b.dataset.blocked === 'true'; });
  if (on) busy = setTimeout(() => lock(false), 8000);
}
function ask(on) {
  sure.hidden = !on; $('.next-delete').hidden = on || !(props.value || {}).deletable;
  if (on) $('.next-no').focus();
}
async function copy(item) {
  try { await navigator.clipboard.writeText(item.text); say(item.label.replace('Copy', 'Copied') + '.'); code.open = false; }
  catch { say('This browser does not let the page copy. Mark the text and copy it.'); }
}
function apply() {
  const v = props.value || {}, items = v.items || [], copies = v.copies || [];
  root.hidden = !v.job_id;
  if (v.job_id !== job) { job = v.job_id; trim.open = code.open = false; ask(false); told.textContent = ''; }
  offers.hidden = !items.length;
  offers.replaceChildren();
  for (const item of items) {
    const b = button(offers, 'next-offer', '');
    line(b, 'next-label', item.label); line(b, 'next-note', item.note || '');
    b.dataset.blocked = String(!!item.blocked); b.dataset.offer = item.id; b.disabled = !!item.blocked;
    b.addEventListener('click', () => { lock(true); trigger('act', { id: item.id, price: item.price }); });
  }
  trim.hidden = !v.trim;
  if (v.trim) {
    from.max = v.trim.length - v.trim.least; to.min = v.trim.least; to.max = v.trim.length;
    if (!to.value || Number(to.value) > v.trim.length) to.value = v.trim.length;
  }
  const pop = code.querySelector('.next-pop');
  pop.replaceChildren();
  for (const item of copies) button(pop, 'next-copy', item.label).addEventListener('click', () => copy(item));
  if (sure.hidden) $('.next-delete').hidden = !v.deletable;
  lock(false);
}
$('.next-pop').addEventListener('submit', (e) => {
  e.preventDefault();
  trigger('trim', { from: Number(from.value), to: Number(to.value) });
  trim.open = false;
  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  document.querySelector('#video')?.scrollIntoView({ block: 'center', behavior: calm ? 'auto' : 'smooth' });
});
$('.next-delete').addEventListener('click', () => ask(true));
$('.next-no').addEventListener('click', () => { ask(false); $('.next-delete').focus(); });
$('.next-yes').addEventListener('click', () => { trigger('discard', { id: job }); ask(false); });
for (const menu of [trim, code]) {
  menu.addEventListener('keydown', (e) => { if (e.key === 'Escape') { menu.open = false; menu.querySelector('summary').focus(); } });
  menu.addEventListener('toggle', () => { if (menu.open) [trim, code].forEach((m) => { if (m !== menu) m.open = false; }); });
}
document.addEventListener('click', (e) => { for (const m of [trim, code]) if (m.open && !m.contains(e.target)) m.open = false; });
watch('value', apply);
apply();

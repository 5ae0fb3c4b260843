// Your videos. value: {label, empty, kept, current, items: [{id, title, part, state, code, group, draft, cost, wait, progress, created, deletable, image, video}]}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.gallery'), list = root.querySelector('.gallery-list'), label = root.querySelector('.gallery-label');
const filters = root.querySelector('.gallery-filters');
const ages = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
const groups = [['all', 'All'], ['done', 'Finished'], ['going', 'Under way'], ['stopped', 'Stopped'], ['draft', 'Drafts'], ['kling', 'Kling']];
const cards = new Map();
const show = (place) => element.dispatchEvent(new CustomEvent('studio:show', { bubbles: true, detail: place }));
let chosen = 'all';

function ago(created) {
  const gone = Date.now() / 1000 - created;
  for (const [length, unit] of [[86400, 'day'], [3600, 'hour'], [60, 'minute']]) if (gone >= length) return ages.format(-Math.floor(gone / length), unit);
  return 'just now';
}
function part(parent, name, tag, text) { const e = document.createElement(tag || 'span'); e.className = name; if (text) e.textContent = text; parent.append(e); return e; }
function action(parent, name, text, act) { const b = part(parent, name, 'button', text); b.type = 'button'; b.addEventListener('click', act); return b; }

function made(id) {
  const card = part(list, 'gallery-card', 'li');
  const open = action(card, 'gallery-open', '', () => { trigger('pick', { id }); show('results'); });
  const frame = part(open, 'gallery-frame');
  const image = part(frame, 'gallery-image', 'img'); image.alt = ''; image.loading = 'lazy';
  part(frame, 'gallery-badge'); part(frame, 'gallery-age');
  const bar = part(frame, 'gallery-bar'); part(bar, '');
  part(open, 'gallery-title'); part(open, 'gallery-state'); part(open, 'gallery-facts');
  const remove = action(card, 'gallery-delete', '', () => sure(card, true));
  const ask = part(card, 'gallery-sure'); ask.hidden = true; ask.setAttribute('role', 'group'); ask.setAttribute('aria-label', 'Delete it?');
  part(ask, 'gallery-ask', 'span', 'Delete it and its files?');
  action(ask, 'gallery-yes', 'Delete', () => trigger('discard', { id }));
  action(ask, 'gallery-no', 'Keep', () => { sure(card, false); remove.focus(); });
  for (const on of ['pointerenter', 'focusin']) open.addEventListener(on, () => preview(card, true));
  for (const off of ['pointerleave', 'focusout']) open.addEventListener(off, () => preview(card, false));
  return card;
}
document.addEventListener('studio:open', (e) => (e.detail ? trigger('pick', { id: e.detail }) : trigger('leave', {})));  // Back or Forward of the browser
function sure(card, on) {
  card.querySelector('.gallery-sure').hidden = !on;
  if (on) card.querySelector('.gallery-no').focus();
}
function preview(card, on) {                                              // the clip itself, loaded when somebody looks
  const frame = card.querySelector('.gallery-frame');
  let video = frame.querySelector('video');
  if (!on) { if (video) video.remove(); return; }
  if (video || calm.matches || !card.dataset.video) return;
  video = part(frame, 'gallery-video', 'video');
  Object.assign(video, { muted: true, loop: true, playsInline: true, src: card.dataset.video });
  video.setAttribute('aria-hidden', 'true');
  video.addEventListener('playing', () => video.classList.add('is-on'));
  frame.insertBefore(video, frame.querySelector('.gallery-badge'));
  video.play().catch(() => video.remove());
}
function filled(card, item, current) {
  const $ = (name) => card.querySelector('.' + name);
  const url = item.image ? item.image.url : '';
  if ($('gallery-image').getAttribute('src') !== url) { if (url) $('gallery-image').src = url; else $('gallery-image').removeAttribute('src'); }
  $('gallery-image').hidden = !url;
  card.dataset.video = item.video ? item.video.url : '';
  card.dataset.created = item.created || '';
  $('gallery-title').textContent = item.title || '';
  $('gallery-state').textContent = item.state || '';
  $('gallery-state').dataset.state = item.code || '';
  $('gallery-badge').textContent = item.draft ? 'Draft' : '';
  const facts = [item.part, item.cost, item.wait].filter(Boolean), line = $('gallery-facts');
  if (line.textContent !== facts.join('')) { line.replaceChildren(); for (const fact of facts) part(line, 'gallery-fact', 'span', fact); }
  $('gallery-age').textContent = item.created ? ago(item.created) : '';
  $('gallery-bar').hidden = item.group !== 'going';
  $('gallery-bar').firstElementChild.style.width = Math.max(3, item.progress || 0) + '%';
  $('gallery-open').title = [item.title, item.part].filter(Boolean).join(', ');
  $('gallery-open').setAttribute('aria-label', [item.title, item.part, item.draft ? 'draft' : '', item.state, item.cost, item.wait, ago(item.created)].filter(Boolean).join(', '));
  if (item.id === current) $('gallery-open').setAttribute('aria-current', 'true'); else $('gallery-open').removeAttribute('aria-current');
  $('gallery-delete').hidden = !item.deletable;
  $('gallery-delete').setAttribute('aria-label', 'Delete ' + (item.title || 'it'));
}
function fits(item, group) { return group === 'all' || item.group === group || group === (item.draft ? 'draft' : 'kling'); }
function filter(items) {
  const worth = groups.filter(([group]) => { const n = items.filter((i) => fits(i, group)).length; return group === 'all' || (n && n < items.length); });
  if (!worth.some(([group]) => group === chosen)) chosen = 'all';
  filters.hidden = worth.length < 2;
  const wanted = worth.map(([group]) => group).join();
  if (filters.dataset.has !== wanted) {
    filters.dataset.has = wanted; filters.replaceChildren();
    for (const [group, text] of worth) action(filters, 'gallery-filter', text, () => { chosen = group; apply(); }).dataset.group = group;
  }
  for (const b of filters.children) b.setAttribute('aria-pressed', String(b.dataset.group === chosen));
}
function apply() {
  const v = props.value || {}, items = v.items || [];
  label.textContent = items.length || !v.empty ? v.label || '' : v.empty;
  root.classList.toggle('is-empty', !items.length);
  Object.assign(root.querySelector('.gallery-kept'), { textContent: v.kept || '', hidden: !v.kept });
  filter(items);
  const kept = new Set(items.map((item) => item.id));
  for (const [id, card] of cards) if (!kept.has(id)) { card.remove(); cards.delete(id); }
  items.forEach((item, place) => {
    if (!cards.has(item.id)) cards.set(item.id, made(item.id));
    const card = cards.get(item.id);
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] || null);
    filled(card, item, v.current);
    card.hidden = !fits(item, chosen);
  });
}
watch('value', apply);
apply();
setInterval(() => cards.forEach((card) => {
  if (card.dataset.created) card.querySelector('.gallery-age').textContent = ago(Number(card.dataset.created));
}), 30000);

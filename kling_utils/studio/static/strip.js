// A row of cards. value: {label, empty, small, current, items: [{id, title, says, state, code, draft, created, image, video}]}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.strip'), list = root.querySelector('.strip-list'), label = root.querySelector('.strip-label');
const ages = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const cards = new Map();

function ago(created) {
  const gone = Date.now() / 1000 - created;
  for (const [length, unit] of [[86400, 'day'], [3600, 'hour'], [60, 'minute']]) if (gone >= length) return ages.format(-Math.floor(gone / length), unit);
  return 'just now';
}
function part(parent, name, tag) { const e = document.createElement(tag || 'span'); e.className = name; parent.append(e); return e; }
function made(item) {
  const card = document.createElement('button');
  card.type = 'button'; card.className = 'strip-card';
  const frame = part(card, 'strip-frame');
  const shown = part(frame, 'strip-media', item.video ? 'video' : 'img');
  if (item.video) {
    Object.assign(shown, { muted: true, loop: true, playsInline: true, preload: 'metadata', tabIndex: -1 });
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
    for (const on of ['pointerenter', 'focus']) card.addEventListener(on, () => { if (!calm.matches) shown.play().catch(() => {}); });
    for (const off of ['pointerleave', 'blur']) card.addEventListener(off, () => shown.pause());
  } else { shown.alt = ''; shown.loading = 'lazy'; }
  part(frame, 'strip-badge');
  part(card, 'strip-title'); part(card, 'strip-state'); part(card, 'strip-age');
  card.addEventListener('click', () => trigger('pick', { id: item.id }));
  return card;
}
function filled(card, item, current) {
  const $ = (name) => card.querySelector('.' + name);
  const file = item.video || item.image, media = $('strip-media');
  const url = file ? file.url + (item.video ? '#t=0.1' : '') : '';             // phones show a clip's frame only when asked for one
  if (file && media.getAttribute('src') !== url) media.src = url;
  media.hidden = !file;
  $('strip-title').textContent = item.title || '';
  $('strip-state').textContent = item.state || '';
  $('strip-state').dataset.state = item.code || '';
  $('strip-badge').textContent = item.draft ? 'Draft' : '';
  $('strip-age').textContent = item.created ? ago(item.created) : '';
  card.dataset.created = item.created || '';
  card.title = item.title || '';
  card.setAttribute('aria-label', [item.title, item.says, item.draft ? 'draft' : '', item.state, item.created ? ago(item.created) : ''].filter(Boolean).join(', '));
  if (item.id === current) card.setAttribute('aria-current', 'true'); else card.removeAttribute('aria-current');
}
function apply() {
  const v = props.value || {}, items = v.items || [];
  root.classList.toggle('is-small', !!v.small);
  label.textContent = items.length || !v.empty ? v.label || '' : v.empty;
  root.classList.toggle('is-empty', !items.length);
  const newest = items.length && !cards.has(items[0].id);
  const kept = new Set(items.map((item) => item.id));
  for (const [id, card] of cards) if (!kept.has(id)) { card.remove(); cards.delete(id); }
  items.forEach((item, place) => {
    if (!cards.has(item.id)) cards.set(item.id, made(item));
    const card = cards.get(item.id);
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] || null);
    filled(card, item, v.current);
  });
  if (newest) list.scrollLeft = 0;                                        // the newest is at the front
}
watch('value', apply);
apply();
setInterval(() => cards.forEach((card) => {
  if (card.dataset.created) card.querySelector('.strip-age').textContent = ago(Number(card.dataset.created));
}), 30000);

// Your videos. value: see Gallery.value().
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.gallery'), $$ = (name) => root.querySelector('.gallery-' + name), list = $$('list'), filters = $$('filters');
const search = $$('search'), rated = $$('rated'), tray = $$('tray'), edit = $$('edit');
const ages = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
const RATED = { favourite: 'favourite', good: 'rated good', bad: 'rated bad' };
const cards = new Map(), known = new Map();
const show = (place) => element.dispatchEvent(new CustomEvent('studio:show', { bubbles: true, detail: place }));
let shown = {}, chosen = [], edited = '', typing = 0;                                 // takes to be compared, at most two, also of other pages

function ago(created) {
  const gone = Date.now() / 1000 - created;
  for (const [length, unit] of [[86400, 'day'], [3600, 'hour'], [60, 'minute']]) if (gone >= length) return ages.format(-Math.floor(gone / length), unit);
  return 'just now';
}
function part(parent, name, tag, text) { const e = document.createElement(tag || 'span'); e.className = name; if (text) e.textContent = text; parent.append(e); return e; }
function action(parent, name, text, act) { const b = part(parent, name, 'button', text); b.type = 'button'; b.addEventListener('click', act); return b; }

function made(id) {
  const card = $$('new').content.firstElementChild.cloneNode(true), $ = (name) => card.querySelector('.gallery-' + name), open = $('open');
  const does = (name, act) => $(name).addEventListener('click', act);
  does('open', () => { trigger('pick', { id }); show('results'); });
  does('delete', () => sure(card, true));
  does('yes', () => { chosen = chosen.filter((each) => each !== id); chose(); trigger('discard', { id }); });
  does('no', () => { sure(card, false); $('delete').focus(); });
  does('choose', () => choose(id));
  does('write', () => write(id));
  for (const b of card.querySelectorAll('[data-rating]')) b.addEventListener('click', () => {
    const to = b.getAttribute('aria-pressed') === 'true' ? '' : b.dataset.rating;
    rate(card, to); trigger('annotate', { id, rating: to });
  });
  for (const on of ['pointerenter', 'focusin']) open.addEventListener(on, () => preview(card, true));
  for (const off of ['pointerleave', 'focusout']) open.addEventListener(off, () => preview(card, false));
  return card;
}
document.addEventListener('studio:open', (e) => (e.detail ? trigger('pick', { id: e.detail }) : trigger('leave', {})));  // Back or Forward of the browser
function rate(card, rating) { for (const b of card.querySelectorAll('[data-rating]')) b.setAttribute('aria-pressed', String(b.dataset.rating === rating)); }

// -- name and note
function write(id) {
  const item = known.get(id) || {}, v = shown;
  edited = id;
  Object.assign($$('edit-name'), { value: item.name || '', placeholder: item.usual || '', maxLength: v.name_length });
  Object.assign($$('edit-note'), { value: item.note || '', maxLength: v.note_length });
  edit.showModal();
}
edit.querySelector('form').addEventListener('submit', () => {
  trigger('annotate', { id: edited, name: $$('edit-name').value, note: $$('edit-note').value });
});
$$('edit-note').addEventListener('keydown', (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) edit.querySelector('form').requestSubmit(); });
$$('cancel').addEventListener('click', () => edit.close());
edit.addEventListener('click', (e) => { if (e.target === edit) edit.close(); });   // beside it
edit.addEventListener('close', () => cards.get(edited)?.querySelector('.gallery-write').focus());

// -- two takes to be compared
function choose(id) {
  chosen = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen.slice(-1), id];
  chose();
}
function chose() {
  const names = chosen.map((id) => (known.get(id) || {}).title || 'A take'), two = chosen.length === 2;
  tray.hidden = !chosen.length;
  $$('chosen').textContent = two ? names.join(' against ') : names.length ? names[0] + ': choose the take to compare it with' : '';
  $$('versus').hidden = $$('blind').hidden = !two;
  for (const [id, card] of cards) card.querySelector('.gallery-choose').setAttribute('aria-pressed', String(chosen.includes(id)));
}
function compare(blind) {
  const [left, right] = chosen;
  chosen = []; chose();
  trigger('compare', { left, right, blind });
}
$$('versus').addEventListener('click', () => compare(false));
$$('blind').addEventListener('click', () => compare(true));
$$('clear').addEventListener('click', () => { const card = cards.get(chosen[chosen.length - 1]); chosen = []; chose(); (card?.querySelector('.gallery-choose') || search).focus(); });

// -- search, filters and pages: the server lists
function ask(more) {
  const v = shown.listing || {}, rating = rated.value;
  trigger('list', { text: search.value, rating: rating === 'any' ? null : rating, group: v.group || null, page: 0, ...more });
}
function soon() { clearTimeout(typing); typing = setTimeout(() => ask({}), 250); }
search.addEventListener('input', soon);
rated.addEventListener('change', () => ask({}));
$$('tools').addEventListener('submit', (e) => { e.preventDefault(); clearTimeout(typing); ask({}); });
for (const [name, by] of [['prev', -1], ['next', 1]]) $$(name).addEventListener('click', () => { ask({ page: shown.listing.page + by }); show(root); });

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
function filled(card, item, v) {
  const $ = (name) => card.querySelector('.gallery-' + name);
  const url = item.image ? item.image.url : '';
  if ($('image').getAttribute('src') !== url) { if (url) $('image').src = url; else $('image').removeAttribute('src'); }
  $('image').hidden = !url;
  card.dataset.video = item.video ? item.video.url : '';
  card.dataset.created = item.created || '';
  $('title').textContent = item.title || '';
  $('state').textContent = item.state || '';
  $('state').dataset.state = item.code || '';
  $('badge').textContent = item.draft ? 'Draft' : '';
  const facts = [item.part, item.cost, item.wait, item.standing].filter(Boolean), line = $('facts');
  if (line.textContent !== facts.join('')) { line.replaceChildren(); for (const fact of facts) part(line, 'gallery-fact', 'span', fact); }
  $('note').textContent = item.note || '';
  $('age').textContent = item.created ? ago(item.created) : '';
  $('bar').hidden = item.group !== 'going';
  $('bar').firstElementChild.style.width = Math.max(3, item.progress || 0) + '%';
  $('open').title = [item.title, item.made_of === item.title ? '' : item.made_of, item.part, item.note].filter(Boolean).join(', ');
  $('open').setAttribute('aria-label', [item.title, item.part, item.draft ? 'draft' : '', item.state, item.cost, item.wait, RATED[item.rating], item.standing, item.note, ago(item.created)].filter(Boolean).join(', '));
  if (item.id === v.current) $('open').setAttribute('aria-current', 'true'); else $('open').removeAttribute('aria-current');
  $('delete').hidden = !item.deletable;
  $('delete').setAttribute('aria-label', 'Delete ' + (item.title || 'it'));
  $('marks').setAttribute('aria-label', 'Rate ' + item.title);
  for (const b of $('marks').children) b.setAttribute('aria-label', b.title + ': ' + item.title);
  rate(card, item.rating);
  $('choose').hidden = !item.finished || !v.comparable;
  $('choose').setAttribute('aria-label', 'Compare ' + item.title + ' with another take');
}
function filter(v) {
  const listing = v.listing || {}, groups = v.groups || [], wanted = JSON.stringify(groups);
  filters.hidden = groups.length < 2;
  if (filters.dataset.has !== wanted) {
    filters.dataset.has = wanted; filters.replaceChildren();
    for (const [group, text] of groups) action(filters, 'gallery-filter', text, () => ask({ group: group || null })).dataset.group = group || 'all';
  }
  for (const b of filters.children) b.setAttribute('aria-pressed', String(b.dataset.group === (listing.group || 'all')));
  const asked = listing.text || (listing.rating && listing.rating !== 'any') || listing.rating === '';
  $$('tools').hidden = !(v.total > 1 || asked);
  if (document.activeElement !== search) search.value = listing.text || '';
  if (document.activeElement !== rated && listing.rating !== undefined) rated.value = listing.rating;
  $$('found').textContent = !asked && !listing.group ? '' : v.found ? v.found + ' of ' + v.total : 'None of ' + v.total + (v.total === 1 ? ' video' : ' videos') + ' fits: change the search, the rating or what is shown.';
}
function pages(v, count) {
  const page = (v.listing || {}).page || 0, prev = $$('prev'), next = $$('next'), at = document.activeElement;
  $$('pages').hidden = !v.last_page;
  $$('place').textContent = (v.first + 1) + ' to ' + (v.first + count) + ' of ' + v.found;
  prev.disabled = page === 0; next.disabled = page >= v.last_page;
  if (at === prev && prev.disabled) next.focus({ preventScroll: true });
  else if (at === next && next.disabled) prev.focus({ preventScroll: true });
}
const LATE = 60;                                                           // seconds by which one value may overtake another
function apply() {
  const next = props.value || {};
  if (!(next.now < shown.now && next.now > shown.now - LATE)) shown = next;
  const v = shown, items = v.items || [];
  $$('label').textContent = v.total || !v.empty ? v.label || '' : v.empty;
  root.classList.toggle('is-empty', !v.total);
  Object.assign($$('kept'), { textContent: v.kept || '', hidden: !v.kept });
  filter(v); pages(v, items.length);
  const kept = new Set(items.map((item) => item.id));
  for (const [id, card] of cards) if (!kept.has(id)) { card.remove(); cards.delete(id); }
  items.forEach((item, place) => {
    if (!cards.has(item.id)) cards.set(item.id, made(item.id));
    const card = cards.get(item.id);
    known.set(item.id, item);
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] || null);
    filled(card, item, v);
  });
  chose();
}
watch('value', apply);
apply();
setInterval(() => cards.forEach((card) => {
  if (card.dataset.created) card.querySelector('.gallery-age').textContent = ago(Number(card.dataset.created));
}), 30000);

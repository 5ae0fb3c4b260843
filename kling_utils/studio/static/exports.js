// Files to send. value: {job_id, items: [{id, label, hint, sound}], busy, progress, waiting, ready, file, name, stamp, error}.
// Data reaches the page through properties and textContent only.
const root = element.querySelector('.exports');
const $ = (selector) => root.querySelector(selector);
const list = $('.exports-list'), work = $('.exports-work'), said = $('.exports-said'), sound = $('select'), size = $('.exports-size input');
let built = '', job = '', given = 0;

function part(parent, name, text) { const s = document.createElement('span'); s.className = name; s.textContent = text; parent.append(s); return s; }
function offered(items) {
  const key = items.map((i) => i.id).join();
  if (key === built) return;
  built = key;
  list.replaceChildren();
  for (const item of items) {
    const b = document.createElement('button');
    b.type = 'button'; b.className = 'exports-item'; b.dataset.kind = item.id;
    part(b, 'exports-shape exports-' + item.id, '').setAttribute('aria-hidden', 'true');
    part(b, 'exports-label', item.label); part(b, 'exports-hint', item.hint);
    b.addEventListener('click', () => trigger('make', { id: item.id, sound: sound.value, most: size.value }));
    list.append(b);
  }
}
function save(v) {
  const link = document.createElement('a');
  link.href = v.file.url; link.download = v.name;
  document.body.append(link); link.click(); link.remove();
}
function apply() {
  const v = props.value || {}, items = v.items || [];
  root.hidden = !items.length;
  offered(items);
  if (v.job_id !== job) { job = v.job_id; given = 0; }
  const item = items.find((i) => i.id === v.busy), begun = work.hidden && item;
  work.hidden = !item;
  if (begun) work.scrollIntoView({ block: 'nearest' });                     // it stands below all offers
  list.querySelectorAll('button').forEach((b) => { b.disabled = !!item; b.classList.toggle('is-busy', b.dataset.kind === v.busy); });
  if (item) {
    const known = v.progress !== null && v.progress !== undefined, bar = $('.exports-bar');
    $('.exports-doing').textContent = (v.waiting ? 'Waiting for its turn: ' : 'Making: ') + item.label + (known ? ', ' + v.progress + ' %' : '');
    bar.firstElementChild.style.width = (known ? Math.max(2, v.progress) : 0) + '%';
    if (known) bar.setAttribute('aria-valuenow', v.progress); else bar.removeAttribute('aria-valuenow');
  }
  said.hidden = !(v.error || (v.ready && v.file));
  said.classList.toggle('is-error', !!v.error);
  said.textContent = v.error || '';
  if (v.ready && v.file) {
    said.textContent = 'Ready: ';
    const link = document.createElement('a');
    link.href = v.file.url; link.download = v.name; link.textContent = v.name;
    said.append(link);
    if (given !== v.stamp) {                                                // asked for: it is saved at once, and once
      given = v.stamp; save(v);
      said.scrollIntoView({ block: 'nearest' });
    }
  }
}
$('.exports-stop').addEventListener('click', () => trigger('halt', {}));
watch('value', apply);
apply();

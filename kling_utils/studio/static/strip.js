// A row of examples. value: {label, items: [{id, title, says, image, video}]}.
// Data reaches the page through properties and textContent only.
const list = element.querySelector('.strip-list');
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
let built = '';

function media(card, item) {
  if (!item.video) return Object.assign(document.createElement('img'), { alt: '', loading: 'lazy', src: item.image.url });
  const video = Object.assign(document.createElement('video'), {
    muted: true, loop: true, playsInline: true, preload: 'metadata', tabIndex: -1,
    src: item.video.url + '#t=0.1',                                        // phones show a clip's frame only when asked for one
  });
  for (const on of ['pointerenter', 'focus']) card.addEventListener(on, () => { if (!calm.matches) video.play().catch(() => {}); });
  for (const off of ['pointerleave', 'blur']) card.addEventListener(off, () => video.pause());
  return video;
}
function made(item) {
  const card = document.createElement('button'), frame = document.createElement('span');
  Object.assign(card, { type: 'button', className: 'strip-card', title: item.title });
  card.setAttribute('aria-label', item.title + ', ' + item.says);
  frame.className = 'strip-frame';
  const shown = media(card, item);
  shown.className = 'strip-media';
  frame.append(shown);
  card.append(frame);
  card.addEventListener('click', () => trigger('pick', { id: item.id }));
  return card;
}
function apply() {
  const v = props.value || {}, items = (v.items || []).filter((item) => item.image || item.video), now = JSON.stringify(items);
  element.querySelector('.strip-label').textContent = v.label || '';
  if (now === built) return;
  built = now;
  list.replaceChildren(...items.map(made));
}
watch('value', apply);
apply();

// Pairs of picture and clip. value: {items: [{id, title, image, video}]}. Data reaches the page through properties and textContent only.
const list = element.querySelector('.pairs-list');
let built = '';

function thumb(kind, url) {
  const frame = document.createElement('span'), shown = document.createElement(kind);
  Object.assign(shown, kind === 'img' ? { alt: '', loading: 'lazy', src: url } : { muted: true, playsInline: true, preload: 'metadata', tabIndex: -1, src: url + '#t=0.1' });
  frame.className = 'strip-frame'; shown.className = 'strip-media';
  frame.append(shown);
  return frame;
}
function button(name, text, title, press) {
  const made = Object.assign(document.createElement('button'), { type: 'button', className: name, textContent: text });
  made.setAttribute('aria-label', title);
  made.addEventListener('click', press);
  return made;
}
function card(item) {
  const made = document.createElement('div'), title = document.createElement('p'), both = document.createElement('span');
  made.className = 'pairs-card'; title.className = 'pairs-title'; both.className = 'pairs-thumbs';
  title.textContent = item.title;
  both.append(thumb('img', item.image.url), thumb('video', item.video.url));
  made.append(both, title,
    button('kc-act pairs-use', 'Use both', 'Use picture and clip of ' + item.title, () => trigger('pick', { id: item.id })),
    button('kc-act pairs-watch', 'Watch', 'Watch what came out of ' + item.title, () => trigger('watch', { id: item.id })));
  return made;
}
function apply() {
  const items = ((props.value || {}).items || []).filter((item) => item.image && item.video), now = JSON.stringify(items);
  if (now === built) return;
  built = now;
  list.replaceChildren(...items.map(card));
}
watch('value', apply);
apply();

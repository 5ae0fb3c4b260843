// What a page without a server gives the stage: the value from a block of JSON, files from blocks of base64.
const value = JSON.parse(document.getElementById('value').textContent);
function unpacked(file) {
  if (!file) return null;
  const block = document.getElementById(file.block), text = block.textContent.trim(), parts = [];
  for (let i = 0; i < text.length; i += 1 << 20) {                        // a multiple of four letters: each part stands for itself
    const letters = atob(text.slice(i, i + (1 << 20))), bytes = new Uint8Array(letters.length);
    for (let k = 0; k < letters.length; k++) bytes[k] = letters.charCodeAt(k);
    parts.push(bytes);
  }
  block.remove();
  return { url: URL.createObjectURL(new Blob(parts, { type: block.dataset.kind })) };
}
document.title = value.title;
document.querySelector('h1').textContent = value.title;
document.querySelector('footer').textContent = value.foot;
value.a = unpacked(value.a); value.b = unpacked(value.b); value.image = unpacked(value.image);
for (const take of value.takes || []) take.b = unpacked(take.b);
function dark(frame) {                                                    // is the notebook? Null where it does not tell
  const page = frame.ownerDocument, light = page.body.dataset.jpThemeLight;
  if (light) return light === 'false';
  for (let e = frame.parentElement; e; e = e.parentElement) {             // the first ground that is there
    const [r, g, b, alpha = 1] = (page.defaultView.getComputedStyle(e).backgroundColor.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
    if (alpha > 0.5) return 0.299 * r + 0.587 * g + 0.114 * b < 128;
  }
  return { dark: true, light: false }[page.defaultView.getComputedStyle(page.documentElement).colorScheme] ?? null;
}
if (window.location.protocol === 'about:') {                               // a frame in a notebook's cell: as high as what is in it
  document.documentElement.classList.add('in-cell');
  const frame = window.frameElement;                                      // null where the notebook keeps its cells apart
  if (frame && frame.previousElementSibling) frame.previousElementSibling.style.display = 'none'; // the still
  const is = frame && dark(frame);
  // the frame, too: where both differ browsers put a ground of their own behind it
  if (frame && is !== null) document.documentElement.style.colorScheme = frame.style.colorScheme = is ? 'dark' : 'light';
  if (frame) new ResizeObserver(() => { frame.style.height = `${document.body.offsetHeight}px`; }).observe(document.body);
}
const element = document.querySelector('main'), props = { value }, watch = () => {}, trigger = () => {};

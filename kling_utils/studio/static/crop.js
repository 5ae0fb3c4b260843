// The part of the picture that is sent. value: {picture, file: {url}, width, height, least, low, high, cut}; lengths in pixels of the picture,
// low and high bound width through height. Data reaches the page through properties and textContent only.
const root = element.querySelector('.crop'), $ = (selector) => root.querySelector(selector);
const img = $('img'), frame = $('.crop-frame'), tool = $('.crop-tool'), opener = $('.crop-open');
const boxes = { left: $('.crop-left'), top: $('.crop-top'), width: $('.crop-width'), height: $('.crop-height') };
let picture = '', v = {}, part = { left: 0, top: 0, width: 1, height: 1 }, drag = null;

const clamp = (n, low, high) => Math.min(Math.max(n, low), Math.max(low, high));
const ratio = (a) => (a >= 1 ? a.toFixed(2).replace(/\.?0+$/, '') + ':1' : '1:' + (1 / a).toFixed(2).replace(/\.?0+$/, ''));
const whole = () => part.width === v.width && part.height === v.height;
function wrong() {
  if (Math.min(part.width, part.height) < v.least) return `at least ${v.least} px a side are needed`;
  const aspect = part.width / part.height;
  return aspect < v.low ? `too tall, ${ratio(v.low)} at most` : aspect > v.high ? `too wide, ${ratio(v.high)} at most` : '';
}
function put(next) {                                                       // whole pixels, inside the picture
  const width = Math.round(clamp(next.width, 1, v.width)), height = Math.round(clamp(next.height, 1, v.height));
  part = { left: Math.round(clamp(next.left, 0, v.width - width)), top: Math.round(clamp(next.top, 0, v.height - height)), width, height };
  const per = { left: part.left / v.width, top: part.top / v.height, width: width / v.width, height: height / v.height };
  for (const name of Object.keys(boxes)) { boxes[name].value = part[name]; frame.style[name] = 100 * per[name] + '%'; }
  const bad = wrong();
  $('.crop-says').textContent = `${width} × ${height} px` + (bad ? ', ' + bad : '');
  frame.classList.toggle('is-wrong', !!bad);
  $('.crop-cut').hidden = whole() || !!bad;
  $('.crop-all').hidden = whole();
}
function stretch(from, edge, dx, dy) {                                     // the edges that are held move, the others stay
  let { left, top } = from, right = left + from.width, bottom = top + from.height;
  const least = [Math.min(v.least, v.width), Math.min(v.least, v.height)];
  if (edge.includes('w')) left = clamp(left + dx, 0, right - least[0]);
  if (edge.includes('e')) right = clamp(right + dx, left + least[0], v.width);
  if (edge.includes('n')) top = clamp(top + dy, 0, bottom - least[1]);
  if (edge.includes('s')) bottom = clamp(bottom + dy, top + least[1], v.height);
  put({ left, top, width: right - left, height: bottom - top });
}
frame.addEventListener('pointerdown', (e) => {
  if (e.button) return;
  e.preventDefault(); frame.focus({ preventScroll: true });
  frame.setPointerCapture(e.pointerId);
  drag = { edge: e.target.dataset.edge || '', x: e.clientX, y: e.clientY, from: { ...part }, scale: v.width / img.clientWidth };
});
frame.addEventListener('pointermove', (e) => {
  if (!drag) return;
  const dx = (e.clientX - drag.x) * drag.scale, dy = (e.clientY - drag.y) * drag.scale;
  if (drag.edge) stretch(drag.from, drag.edge, dx, dy); else put({ ...drag.from, left: drag.from.left + dx, top: drag.from.top + dy });
});
for (const end of ['pointerup', 'pointercancel']) frame.addEventListener(end, () => { drag = null; });
frame.addEventListener('keydown', (e) => {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key] || [0, 0];
  if (!dx && !dy) return;
  e.preventDefault(); e.stopPropagation();
  const by = e.ctrlKey || e.metaKey ? 1 : Math.max(1, Math.round(Math.max(v.width, v.height) / 100));
  if (e.shiftKey) stretch(part, 'se', dx * by, dy * by); else put({ ...part, left: part.left + dx * by, top: part.top + dy * by });
});
for (const name of Object.keys(boxes)) boxes[name].addEventListener('change', () => put(Object.fromEntries(Object.keys(boxes).map((each) => [each, Number(boxes[each].value) || part[each] * (boxes[each].value === '')]))));
function open(on) { tool.hidden = !on; opener.setAttribute('aria-expanded', String(on)); opener.textContent = on ? 'Close' : 'Crop it'; }
function all() { put({ left: 0, top: 0, width: v.width, height: v.height }); }
opener.addEventListener('click', () => { open(tool.hidden); if (!tool.hidden) frame.focus({ preventScroll: true }); });
$('.crop-all').addEventListener('click', all);
$('.crop-cut').addEventListener('click', () => trigger('crop', { left: part.left, top: part.top, right: part.left + part.width, bottom: part.top + part.height }));
$('.crop-whole').addEventListener('click', () => trigger('whole', {}));
function apply() {
  v = props.value || {};
  root.hidden = !v.width || !v.file;
  if (root.hidden) { picture = ''; return; }
  if (img.getAttribute('src') !== v.file.url) img.src = v.file.url;
  Object.assign($('.crop-board').style, { aspectRatio: v.width + ' / ' + v.height, width: `min(100%, ${Math.round(340 * v.width / v.height)}px)` });
  $('.crop-size').textContent = `${v.width} × ${v.height} px`;
  $('.crop-rule').textContent = `Novita takes ${v.least} px a side or more, and ${ratio(v.low)} to ${ratio(v.high)}.`;
  for (const [name, most] of [['left', v.width - 1], ['top', v.height - 1], ['width', v.width], ['height', v.height]]) boxes[name].max = most;
  if (v.picture !== picture) { picture = v.picture; all(); open(false); } else put(part);
  $('.crop-whole').hidden = !v.cut;
}
watch('value', apply);
apply();

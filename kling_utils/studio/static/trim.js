// The part of the clip that is sent. value: {clip, seconds, least, most, film: [{src, time, width, height, lines, boxes}], clean: [start, end], starts: [{start, end, match}],
// rate, currency, image, cut}. Data reaches the page through properties and textContent only.
const root = element.querySelector('.trim'), SVG = 'http://www.w3.org/2000/svg';
const $ = (selector) => root.querySelector(selector);
const from = $('.trim-from'), to = $('.trim-to'), start = $('.trim-start'), end = $('.trim-end');
let clip = '', built = '', v = {};

function shape(over, kind, numbers) {
  const made = document.createElementNS(SVG, kind);
  made.setAttribute('class', kind === 'line' ? 'ka-bone' : 'ka-box');
  for (const [name, number] of Object.entries(numbers)) made.setAttribute(name, number);
  over.append(made);
}
function picture(p) {
  const button = document.createElement('button'), still = document.createElement('span'), img = document.createElement('img');
  const over = document.createElementNS(SVG, 'svg');
  Object.assign(button, { type: 'button', className: 'ka-frame' });
  button.dataset.seek = p.time;
  button.setAttribute('aria-label', 'The clip at ' + p.time.toFixed(1) + ' s');
  still.className = 'ka-still';
  Object.assign(img, { alt: '', className: 'ka-img', src: p.src });
  over.setAttribute('class', 'ka-over'); over.setAttribute('viewBox', `0 0 ${p.width} ${p.height}`); over.setAttribute('aria-hidden', 'true');
  over.setAttribute('preserveAspectRatio', 'xMidYMid slice');
  for (const [x, y, width, height] of p.boxes) shape(over, 'rect', { x, y, width, height });
  for (const [x1, y1, x2, y2] of p.lines) shape(over, 'line', { x1, y1, x2, y2 });
  still.append(img, over); button.append(still);
  return button;
}
function begin(s) {
  const button = document.createElement('button');
  Object.assign(button, { type: 'button', className: 'kc-act', textContent: `${s.start.toFixed(1)} s (${s.match} %)` });
  button.addEventListener('click', () => { put(s.start, s.end); show(s.start); });
  return button;
}
const until = () => Math.min(Number(to.value), v.seconds);                 // the handle goes to the next tenth of a second
const part = () => until() - Number(from.value);
const money = (seconds) => {                                               // as a quote has it: whole seconds, down and up
  const [low, high] = [Math.floor(seconds + 1e-6), Math.ceil(seconds - 1e-6)].map((s) => (s * v.rate).toFixed(2));
  return (low === high ? high : low + ' to ' + high) + ' ' + v.currency;
};
function says() {
  const seconds = part(), whole = seconds > v.seconds - 0.05;
  const wrong = seconds < v.least - 0.05 ? `, at least ${v.least} s are needed` : seconds > v.most + 0.05 ? `, at most ${v.most} s are taken` : '';
  const price = wrong || v.image || !v.rate ? '' : ', ' + money(seconds) + (whole ? '' : ' instead of ' + money(v.seconds));
  $('.trim-says').textContent = seconds.toFixed(1) + ' s' + (wrong || price || (v.image ? ', the result has 5 s' : ''));
  $('.trim-cut').hidden = whole || !!wrong;
  $('.trim-kept').style.left = 100 * from.value / v.seconds + '%';
  $('.trim-kept').style.right = 100 - 100 * until() / v.seconds + '%';
  for (const frame of root.querySelectorAll('.ka-frame')) frame.classList.toggle('is-out', frame.dataset.seek < from.value - 0.2 || frame.dataset.seek > Number(to.value) + 0.2);
}
function put(a, b) {                                                       // seconds, kept in order and in the clip
  const begin = Math.min(Math.max(0, a), v.seconds), stop = Math.min(Math.max(b, begin), v.seconds);
  from.value = begin; to.value = stop;
  start.value = Number(from.value).toFixed(1); end.value = Number(to.value).toFixed(1);
  says();
}
function show(time) {                                                      // the player follows the handle
  const player = document.querySelector('#video video');
  if (player) { player.pause(); player.currentTime = Math.max(0, Math.min(time, v.seconds - 0.05)); }
}
function apply() {
  v = props.value || {};
  root.hidden = !v.seconds;
  if (root.hidden) { clip = ''; return; }
  const film = JSON.stringify(v.film.map((p) => [p.time, p.src.length]));
  if (film !== built) { built = film; $('.trim-film').replaceChildren(...v.film.map(picture)); }
  for (const field of [from, to, start, end]) field.max = Math.ceil(v.seconds * 10) / 10;
  if (v.clip !== clip) { clip = v.clip; put(0, v.seconds); } else says();
  $('.trim-clean').hidden = !v.clean || (v.clean[0] < 0.1 && v.clean[1] > v.seconds - 0.5);
  $('.trim-whole').hidden = !v.cut;
  $('.trim-starts').hidden = !v.starts.length;
  $('.trim-starts').replaceChildren($('.trim-starts span'), ...v.starts.map(begin));
}
from.addEventListener('input', () => { put(Math.min(Number(from.value), Number(to.value) - 0.1), Number(to.value)); show(Number(from.value)); });
to.addEventListener('input', () => { put(Number(from.value), Math.max(Number(to.value), Number(from.value) + 0.1)); show(Number(to.value)); });
for (const field of [start, end]) field.addEventListener('change', () => put(Number(start.value), Number(end.value)));
$('.trim-clean').addEventListener('click', () => { put(...v.clean); show(v.clean[0]); });
$('.trim-cut').addEventListener('click', () => trigger('cut', { start: Number(from.value), end: until() }));
$('.trim-whole').addEventListener('click', () => trigger('whole', {}));
watch('value', apply);
apply();

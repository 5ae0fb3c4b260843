// The time line: where the clock stands, how long each side is, where a loop runs, and the motion of both over time.
const seek = $('.stage-seek'), time = $('.stage-time'), frame = $('.stage-frame'), head = $('.stage-head'), playButton = $('.stage-play');
let labels = { a: '', b: '' };
const WIDE = 1000, TALL = 100;                                            // the strip's own units; it is stretched to its box

function paint() {
  const d = length();
  if (document.activeElement !== seek || !scrubbing) seek.value = d ? s.clock / d : 0;
  const number = Math.floor(s.clock * s.fps + 0.05);
  seek.setAttribute('aria-valuetext', s.clock.toFixed(2) + ' of ' + d.toFixed(2) + ' seconds, frame ' + number);
  time.textContent = s.clock.toFixed(2) + ' / ' + d.toFixed(2) + ' s';
  frame.textContent = 'frame ' + number;
  const at = d ? WIDE * Math.min(1, s.clock / d) : 0;
  head.setAttribute('x1', at); head.setAttribute('x2', at);
  lookCloser();
  if (root.classList.contains('is-playing') === s.playing) return;
  root.classList.toggle('is-playing', s.playing);
  playButton.setAttribute('aria-label', s.playing ? 'Pause' : 'Play');
}
function course(motion, late, d) {                                        // times in s and values 0..1 -> the points of a line
  if (!motion || !motion.times || !d) return '';
  const points = motion.times.map((t, i) => [WIDE * (t + late) / d, TALL - 6 - (TALL - 18) * Math.max(0, Math.min(1, motion.values[i]))]);
  return points.filter((p) => p.every(Number.isFinite)).map(([x, y], i) => (i ? 'L' : 'M') + x.toFixed(1) + ' ' + y.toFixed(1)).join('');
}
function cuts(motion, late, d, top, bottom) {
  if (!motion || !motion.cuts || !d) return '';
  return motion.cuts.map((t) => WIDE * (t + late) / d).filter(Number.isFinite).map((x) => 'M' + x.toFixed(1) + ' ' + top + 'V' + bottom).join('');
}
function errors(curve, late, d) {                                         // 0..1 over time -> an area from the bottom, with gaps where nothing is told
  if (!curve || !Array.isArray(curve.times) || !d) return '';
  let area = '', open = null;
  const x = (t) => (WIDE * (t + late) / d).toFixed(1);
  curve.times.forEach((t, i) => {
    const e = curve.error[i];
    if (Number.isFinite(e)) { area += (open === null ? 'M' + x(t) + ' ' + (TALL - 6) : '') + 'L' + x(t) + ' ' + (TALL - 6 - (TALL - 18) * Math.max(0, Math.min(1, e))).toFixed(1); open = t; }
    if (open !== null && (!Number.isFinite(e) || i === curve.times.length - 1)) { area += 'L' + x(open) + ' ' + (TALL - 6) + 'Z'; open = null; }
  });
  return area;
}
function span(name, from, to, d) {
  const box = $('.' + name), there = from !== null && d > 0 && to > from;
  box.setAttribute('x', there ? WIDE * from / d : 0);
  box.setAttribute('width', there ? WIDE * (to - from) / d : 0);
}
function strip() {
  const d = length(), take = takes.find((t) => t.id === s.take) || {}, motion = { a: (given.motion || {}).a, b: take.motion || (given.motion || {}).b };
  const late = s.offset / s.fps, b = known(vb) ? [late, late + vb.duration] : [null, null], a = known(va) ? [0, va.duration] : [null, null];
  const told = judgeOf(), moves = !!(motion.a || motion.b || (told && told.curve));
  root.classList.toggle('has-motion', moves);
  span('stage-span-a', ...a, d); span('stage-span-b', ...b, d);
  const early = a[1] !== null && b[1] !== null && b[1] < d - 1.5 / s.fps, first = a[1] !== null && b[1] !== null && a[1] < d - 1.5 / s.fps;
  span('stage-gap', early ? b[1] : first ? a[1] : null, d, d);
  span('stage-ab', s.from === null && s.to === null ? null : begin(), end(), d);
  $('.stage-line-a').setAttribute('d', course(motion.a, 0, d));
  $('.stage-line-b').setAttribute('d', course(motion.b, late, d));
  $('.stage-cuts').setAttribute('d', cuts(motion.a, 0, d, 0, TALL / 2) + cuts(motion.b, late, d, TALL / 2, TALL));
  $('.stage-error').setAttribute('d', errors(told && told.curve, late, d));
  $('.stage-marks').setAttribute('d', told && d ? told.moments.map((m) => WIDE * (m.time + late) / d).filter(Number.isFinite).map((x) => 'M' + x.toFixed(1) + ' 0V' + (TALL - 6)).join('') : '');
  $('.stage-key-error').hidden = !(told && told.curve);
  $('.stage-key-error').textContent = 'Filled: how far apart' + (delay() ? ', the delay left aside' : '') + (told && told.moments.length ? '; lines: where most' : '');
  $('.stage-key-motion').hidden = !(motion.a || motion.b);
  $('.stage-key-cut').hidden = ![motion.a, motion.b].some((m) => m && m.cuts && m.cuts.length);
  $('.stage-legend').hidden = root.dataset.fill === 'empty'; $('.stage-key-a').hidden = !has(va); $('.stage-key-b').hidden = !has(vb);
  const less = early ? d - b[1] : first ? d - a[1] : 0;
  $('.stage-ends').textContent = less ? 'The ' + called(early ? 'b' : 'a') + ' ends ' + less.toFixed(1) + ' s early, at ' + (d - less).toFixed(1) + ' s' : '';
}
function lengths() {
  const uneven = known(va) && known(vb) && Math.abs(va.duration - vb.duration) > 0.25;
  const take = takes.find((t) => t.id === s.take) || {};
  labels = { a: given.label_a || 'Reference', b: take.label || given.label_b || 'Result' };
  for (const [v, name, text] of [[va, '.stage-a', labels.a], [vb, '.stage-b', labels.b]]) {
    $(name + ' figcaption').textContent = text + (uneven ? ' ' + v.duration.toFixed(1) + ' s' : '');
  }
  const wide = videos().find((v) => v.videoWidth);
  root.classList.toggle('is-wide', !!wide && wide.videoWidth > 1.2 * wide.videoHeight);
  strip();
}
function setLoop(on) { s.loop = on; $('[data-act=loop]').setAttribute('aria-pressed', String(on)); say(on ? 'Loop' : 'No loop'); }
function mark(name) {                                                     // A or B of a loop, at the clock
  s[name] = s.clock;
  if (s.from !== null && s.to !== null && s.to < s.from) [s.from, s.to] = [s.to, s.from];
  marks();
  if (!s.loop) setLoop(true);                                             // that is what the marks are for, and the button says so
  say((name === 'from' ? 'Loop from ' : 'Loop to ') + s.clock.toFixed(2) + ' s');
}
function unmark() { s.from = s.to = null; marks(); }
function marks() {
  $('[data-act=from]').setAttribute('aria-pressed', String(s.from !== null));
  $('[data-act=to]').setAttribute('aria-pressed', String(s.to !== null));
  $('[data-act=unmark]').disabled = s.from === null && s.to === null;
  strip();
}
function setOffset(frames) {
  s.offset = Math.max(-600, Math.min(600, Math.round(frames)));
  $('.stage-offset').textContent = (s.offset > 0 ? '+' : s.offset < 0 ? '−' : '') + Math.abs(s.offset);
  $('[data-act=even]').setAttribute('aria-label', 'Offset ' + s.offset + ' frames, set to none');
  seekTo(s.clock);
  strip();
  const name = called('b');
  say(s.offset ? name[0].toUpperCase() + name.slice(1) + ' ' + Math.abs(s.offset) + (Math.abs(s.offset) === 1 ? ' frame ' : ' frames ') + (s.offset > 0 ? 'later' : 'earlier') : 'No offset');
}

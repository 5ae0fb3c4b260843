// One clock, two videos. The host page provides: element, props.value, watch(name, callback), trigger(name, data).
// value: {a, b: {url} or null, label_a, label_b, later, fps, autoplay}. Data reaches the page through properties and textContent only.
const root = element.querySelector('.stage');
const $ = (selector) => root.querySelector(selector);
const [va, vb] = root.querySelectorAll('video');
const [ca, cb] = root.querySelectorAll('figcaption');
const seek = $('.stage-seek'), time = $('.stage-time'), playButton = $('.stage-play'), handle = $('.stage-handle'), fault = $('.stage-fault');
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
let rate = 1, playing = false, loop = true, scrubbing = false, resume = false, fps = 24, heard = 'none', clock = 0;

const has = (v) => !!v.getAttribute('src');
const known = (v) => has(v) && Number.isFinite(v.duration);
const videos = () => [va, vb].filter(has);
const half = () => 0.5 / fps;
const over = (v, t) => known(v) && t >= v.duration - half();             // the shorter one holds its last frame
const length = () => Math.max(0, ...videos().filter(known).map((v) => v.duration));
function master() {                                                       // the side that is heard is never bent by the other
  const order = heard === 'a' ? [va, vb] : [vb, va];
  const there = order.filter(has);
  return there.find((v) => !over(v, v.currentTime)) || there[0];
}

function setSource(v, file) {
  const url = file && file.url ? file.url : null;
  if (v.getAttribute('src') === url) return false;                        // the same file keeps its position
  if (url) v.src = url; else v.removeAttribute('src');
  v.load();
  return true;
}
function place(v, t) { v.currentTime = Math.max(0, known(v) ? Math.min(t, v.duration - 0.001) : t); }
function seekTo(t) {
  clock = Math.max(0, Math.min(t, Math.max(0, length() - 0.001)));
  for (const v of videos()) place(v, clock);
  paint();
}
function paint() {
  const d = length();
  if (!scrubbing) seek.value = d ? clock / d : 0;
  seek.setAttribute('aria-valuetext', clock.toFixed(2) + ' of ' + d.toFixed(2) + ' seconds');
  time.textContent = clock.toFixed(2) + ' / ' + d.toFixed(2) + ' s';
}
function refused(error) {
  if (error.name === 'NotAllowedError') {                                 // the browser wants silence first
    if (heard !== 'none') { hear('none'); videos().forEach((v) => v.play().catch(pause)); } else pause();
  } else if (error.name !== 'AbortError') pause();                        // AbortError: another call took over
}
function start(v) { if (v.paused && !over(v, clock)) v.play().catch(refused); }
function play() {
  if (!videos().length) return;
  if (clock >= length() - half()) seekTo(0);
  playing = true; state();
  videos().forEach(start);                                                // inside the gesture, as phones ask for
}
function pause() {
  playing = false;
  videos().forEach((v) => { v.pause(); v.playbackRate = rate; });
  seekTo(clock); state();
}
function state() {
  root.classList.toggle('is-playing', playing);
  playButton.setAttribute('aria-label', playing ? 'Pause' : 'Play');
}
function press(selector, name, value) {
  root.querySelectorAll(selector).forEach((b) => b.setAttribute('aria-pressed', String(b.dataset[name] === value)));
}
function view(mode) { root.dataset.mode = mode; press('button[data-mode]', 'mode', mode); }
function hear(side) { heard = side; va.muted = side !== 'a'; vb.muted = side !== 'b'; press('button[data-hear]', 'hear', side); }
function setRate(r) { rate = r; videos().forEach((v) => { v.playbackRate = r; }); }
function setLoop(on) { loop = on; $('[data-act=loop]').setAttribute('aria-pressed', String(on)); }
function step(n) { if (playing) pause(); seekTo((Math.round(clock * fps) + n) / fps + 0.0001); }
function wipe(per) {
  const p = Math.max(0, Math.min(100, per));
  root.style.setProperty('--stage-wipe', p + '%'); handle.setAttribute('aria-valuenow', String(Math.round(p)));
}
function full() { if (document.fullscreenElement) document.exitFullscreen(); else if (root.requestFullscreen) root.requestFullscreen(); }

function tick() {
  if (!root.isConnected) return;
  if (playing && videos().length) {
    const m = master();
    const late = videos().filter((v) => v.readyState < 3 && !over(v, clock) && !v.error);
    root.classList.toggle('is-buffering', late.length > 0);
    if (late.length) videos().forEach((v) => { if (!late.includes(v) && !v.paused) v.pause(); });
    else {
      if (!m.seeking) clock = m.currentTime;
      if (videos().every((v) => over(v, clock) || v.error)) { if (loop) { seekTo(0); videos().forEach(start); } else pause(); }
      else {
        videos().forEach(start);
        for (const v of videos()) {
          if (v === m || v.seeking || m.seeking || over(v, clock)) continue;
          const drift = v.currentTime - clock;
          root.dataset.drift = drift.toFixed(4);
          if (Math.abs(drift) > 0.2) place(v, clock);
          else v.playbackRate = Math.abs(drift) > half() ? rate * (1 - Math.max(-0.25, Math.min(0.25, 2 * drift))) : rate;
        }
        if (m.playbackRate !== rate) m.playbackRate = rate;
      }
    }
    paint();
  }
  requestAnimationFrame(tick);
}
function measure(v) {                                                     // the frame rate, from the frames that are shown
  if (!v.requestVideoFrameCallback) return;
  let last = -1, least = 1, count = 0;
  const look = (_, frame) => {
    const gap = frame.mediaTime - last; last = frame.mediaTime;
    if (gap > 0.008 && gap < least) least = gap;
    if (gap > 0.008 && ++count === 12) fps = Math.round(1000 / least) / 1000;
    v.requestVideoFrameCallback(look);
  };
  v.requestVideoFrameCallback(look);
}
function lengths() {
  const v = props.value || {};
  const uneven = known(va) && known(vb) && Math.abs(va.duration - vb.duration) > 0.25;
  for (const [clip, caption, text] of [[va, ca, v.label_a || 'Reference'], [vb, cb, v.label_b || 'Result']]) {
    caption.textContent = text + (uneven ? ' ' + clip.duration.toFixed(1) + ' s' : '');
  }
  const wide = videos().find((clip) => clip.videoWidth);
  root.classList.toggle('is-wide', !!wide && wide.videoWidth > 1.2 * wide.videoHeight);
}
for (const v of [va, vb]) {
  v.addEventListener('loadedmetadata', () => { v.playbackRate = rate; place(v, clock); lengths(); paint(); if (playing) start(v); });
  v.addEventListener('error', () => {
    if (!v.getAttribute('src')) return;
    fault.textContent = 'This browser cannot play the ' + (v === va ? 'reference' : 'result') + '. The file itself is saved.';
    fault.hidden = false;
  });
  measure(v);
}
root.addEventListener('click', (e) => {
  const b = e.target.closest('button');
  if (b && b.dataset.act) ({ play: () => (playing ? pause() : play()), prev: () => step(-1), next: () => step(1), loop: () => setLoop(!loop), full })[b.dataset.act]();
  else if (b && b.dataset.mode) view(b.dataset.mode);
  else if (b && b.dataset.hear) hear(b.dataset.hear);
  else if (e.target.tagName === 'VIDEO') { if (playing) pause(); else play(); }
});
seek.addEventListener('pointerdown', () => { scrubbing = true; resume = playing; if (playing) pause(); });
seek.addEventListener('input', () => { if (playing) pause(); seekTo(seek.value * length()); });
seek.addEventListener('change', () => { scrubbing = false; if (resume) play(); resume = false; });
$('.stage-rate').addEventListener('change', (e) => setRate(Number(e.target.value)));
handle.addEventListener('pointerdown', (e) => handle.setPointerCapture(e.pointerId));
handle.addEventListener('pointermove', (e) => {
  if (!handle.hasPointerCapture(e.pointerId)) return;
  const box = $('.stage-screen').getBoundingClientRect();
  wipe((e.clientX - box.left) / box.width * 100);
});
handle.addEventListener('keydown', (e) => {
  const by = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[e.key];
  if (by) { e.preventDefault(); e.stopPropagation(); wipe(Number(handle.getAttribute('aria-valuenow')) + by); }
});
root.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || root.dataset.fill === 'empty') return;
  if (['INPUT', 'SELECT'].includes(e.target.tagName) || (e.target.tagName === 'BUTTON' && [' ', 'Enter'].includes(e.key))) return;
  const act = {
    ' ': () => (playing ? pause() : play()), k: () => (playing ? pause() : play()), ',': () => step(-1), '.': () => step(1),
    ArrowLeft: () => seekTo(clock - 1), ArrowRight: () => seekTo(clock + 1), Home: () => seekTo(0), End: () => seekTo(length()),
    1: () => view('side'), 2: () => view('wipe'), 3: () => view('blend'), 4: () => view('difference'),
    m: () => hear(heard === 'none' ? (has(vb) ? 'b' : 'a') : 'none'), l: () => setLoop(!loop), f: full,
  }[e.key];
  if (act) { e.preventDefault(); e.stopPropagation(); act(); }
});
function apply() {
  const v = props.value || {};
  if (v.fps) fps = v.fps;
  const changed = [setSource(va, v.a), setSource(vb, v.b)].some(Boolean);
  $('.stage-later p').textContent = v.later || '';
  root.dataset.fill = has(va) && has(vb) ? 'both' : has(va) ? 'a' : has(vb) ? 'b' : 'empty';
  root.querySelectorAll('.stage-choices button').forEach((b) => { b.disabled = root.dataset.fill !== 'both'; });
  if (root.dataset.fill !== 'both') view('side');
  lengths();
  if (!changed) return;
  fault.hidden = true; clock = 0; pause(); hear('none');
  if (v.autoplay && !calm && videos().length) play();
}
hear('none');
watch('value', apply);
apply();
requestAnimationFrame(tick);
new ResizeObserver(() => root.classList.toggle('is-narrow', root.clientWidth < 560)).observe(root);
new IntersectionObserver((seen) => { if (!seen[seen.length - 1].isIntersecting && playing) pause(); }).observe(root);

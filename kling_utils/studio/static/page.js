// What crosses components, once for the page: the buttons of cards, what is brought into sight, and the kinds of files.
if (document.documentElement.dataset.studio) return;                       // mounted again
document.documentElement.dataset.studio = 'page';
const PLACES = { image: '#image', video: '#video', prompt: '#prompt', negative_prompt: '#negative', character_orientation: '#orientation',
  model_name: '#model', keep_original_sound: '#sound', key: '#account', examples: '#image-examples', clips: '#video-examples', stage: '#panel',
  results: '#results', result: '#stage', fit: '#fit', advice: '#advice', ways: '#publishing', address: '#video-address', budget: '#spending' };
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
const $ = (selector) => document.querySelector(selector);
const near = (e, selector) => e.target.closest && e.target.closest(selector);

// -- Buttons of cards, wherever a card stands: to the field that is to blame, the repair, and the report into the clipboard.
function go(name) {
  const place = $(PLACES[name]) || (name === 'ways' && $('#video')), opener = name === 'key' && !$('#key') ? $('#open-key') : null;
  if (!place) return;
  opener?.click();
  const box = () => name === 'key' ? $('#key input') : name === 'budget' ? $('#spending-budget :is(input, textarea)') : null;
  const folded = name === 'budget' && !box()?.checkVisibility();
  if (folded) $('#spending > button')?.click();
  if (name === 'address') $('#inputs')?.setAttribute('data-address', '');  // the box is there although a clip is
  unfold(place);
  bring(place, true);                                                      // at the top: a notice may cover the bottom
  const inside = () => place.querySelector('textarea, input:checked, input:not([type=file]):not([type=hidden]), button, [tabindex="0"]');
  setTimeout(() => (box() || inside())?.focus({ preventScroll: true }), opener || folded ? 500 : 60);
  place.classList.remove('is-pointed'); void place.offsetWidth; place.classList.add('is-pointed');
}
function unfold(place) {                                                   // what stands in a closed part of the form
  const head = place.closest('#more')?.querySelector('button.label-wrap');
  if (head && !head.classList.contains('open')) head.click();
}
function fix() {                                                           // the one button that repairs, and in sight how far it is
  const button = $('#fix-all');
  $(PLACES.fit)?.scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
  if (button && !button.disabled) button.click();
}
async function copy(button) {
  const words = button.textContent;
  try { await navigator.clipboard.writeText(button.dataset.report); button.textContent = 'Copied'; }
  catch { button.textContent = 'The browser does not allow it'; }
  setTimeout(() => { button.textContent = words; }, 1800);
}
document.addEventListener('click', (e) => {
  const act = near(e, '[data-goto], [data-report], [data-fix]');
  if (act?.dataset.goto) go(act.dataset.goto);
  else if (act && 'fix' in act.dataset) fix();
  else if (act) copy(act);
});
document.addEventListener('click', (e) => {                                // a still or a span of advice: the clip goes there
  const place = near(e, '#advice [data-seek]'), player = $('#video video');
  if (!place || !player) return;
  player.pause();
  player.currentTime = Number(place.dataset.seek);
});
document.addEventListener('focusout', (e) => {                             // who leaves the panel with a key in it sees one line of it
  const panel = near(e, '#key-panel');
  if (panel && $('#key input')?.value) setTimeout(() => {
    const here = panel.isConnected && (panel.contains(document.activeElement) || panel.matches(':has(:active)'));
    if (panel.isConnected && !here && !$('.whose-error')) $('#open-key')?.click();
  }, 300);
});
document.addEventListener('keydown', (e) => {                              // Escape closes the panel of the key
  const opener = $('#open-key');
  if (e.key === 'Escape' && opener && near(e, '#key-panel')) { opener.click(); opener.focus(); }
});

// -- A component asks with the event "studio:show" that a place is brought into sight: the detail is its name, or the place.
function bring(place, always = false) {
  const away = () => { const top = place.getBoundingClientRect().top; return top < -40 || top > window.innerHeight / 2; };
  const show = (behavior) => { if (always || away()) place.scrollIntoView({ block: 'start', behavior }); };
  const late = setTimeout(() => { if (away()) show('auto'); }, 900);      // the page grows meanwhile, which stops a smooth scroll
  for (const own of ['wheel', 'touchmove', 'keydown']) document.addEventListener(own, () => clearTimeout(late), { once: true, passive: true });
  show(calm ? 'auto' : 'smooth');
}
document.addEventListener('studio:show', (e) => bring(typeof e.detail === 'string' ? $(PLACES[e.detail]) : e.detail));

// -- One button that repairs is enough in sight.
let watched = null;
const mark = (on) => $('#inputs')?.toggleAttribute('data-fix-in-sight', on);
const sight = new IntersectionObserver((seen) => mark(seen[seen.length - 1].isIntersecting), { rootMargin: '0px 0px -110px 0px' });
let inKey = false;                                                         // the panel of the key had the focus when it folded: the line has it then
document.addEventListener('focusin', (e) => { inKey = !!near(e, '#key-panel'); });
new MutationObserver(() => {
  if (inKey && !$('#key') && document.activeElement === document.body) { inKey = false; $('#open-key')?.focus({ preventScroll: true }); }
  const button = $('#fix-all');
  if (button === watched) return;
  watched = button; sight.disconnect();
  if (button) sight.observe(button); else mark(false);
}).observe(document.body, { childList: true, subtree: true });

// -- Files whose kind the browser does not know, which gradio would drop without a word: their names say it. Phones write .MOV and .HEIC,
// and what a browser knows depends on the machine that it runs on. A file of another kind (a clip in the picture's place) is let through
// under a kind that is taken: our check says what it is and what to do, where gradio would only refuse it.
const KINDS = { mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime', webm: 'video/webm', mkv: 'video/x-matroska', avi: 'video/x-msvideo',
  jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', heic: 'image/heic', heif: 'image/heif', avif: 'image/avif', webp: 'image/webp',
  gif: 'image/gif', bmp: 'image/bmp', tif: 'image/tiff', tiff: 'image/tiff' };
const FILES = '#image input[type=file], #video input[type=file]';
const wanted = (input) => input.closest('#image') ? 'image' : 'video';
const strange = (file, input) => !file.type.startsWith(wanted(input) + '/');
function renamed(file, input) {
  if (!strange(file, input)) return file;
  const kind = KINDS[file.name.toLowerCase().split('.').pop()] || '';
  const type = kind.startsWith(wanted(input) + '/') ? kind : wanted(input) === 'image' ? 'image/png' : 'video/mp4';
  return new File([file], file.name, { type, lastModified: file.lastModified });
}
function known(files, input) {
  const all = new DataTransfer();
  for (const file of files) all.items.add(renamed(file, input));
  return all.files;
}
document.addEventListener('change', (e) => {
  if (e.target.matches(FILES) && [...e.target.files].some((file) => strange(file, e.target))) e.target.files = known(e.target.files, e.target);
}, true);
document.addEventListener('drop', (e) => {
  const input = near(e, '#image, #video')?.querySelector('input[type=file]');
  if (!input || !e.dataTransfer || ![...e.dataTransfer.files].some((file) => strange(file, input))) return;
  e.preventDefault(); e.stopPropagation();
  input.files = known(e.dataTransfer.files, input);
  input.dispatchEvent(new Event('change', { bubbles: true }));
}, true);

// -- A clip that this browser cannot play (phones film HEVC): instead of gradio's alarm the place says so, until the check brings a copy.
const clip = (e) => e.target.matches && e.target.matches('#video video') ? near(e, '#video') : null;
document.addEventListener('error', (e) => {
  const place = clip(e);
  if (place) { place.classList.add('is-unplayable'); e.stopImmediatePropagation(); }
}, true);
for (const well of ['loadstart', 'loadeddata']) document.addEventListener(well, (e) => clip(e)?.classList.remove('is-unplayable'), true);

// Files whose kind the browser does not know, which gradio would drop without a word: their names say it. Phones write .MOV and .HEIC,
// and what a browser knows depends on the machine that it runs on.
const KINDS = { mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime', webm: 'video/webm', mkv: 'video/x-matroska', avi: 'video/x-msvideo',
  jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', heic: 'image/heic', heif: 'image/heif', avif: 'image/avif', webp: 'image/webp',
  gif: 'image/gif', bmp: 'image/bmp', tif: 'image/tiff', tiff: 'image/tiff' };
const kindOf = (file) => KINDS[file.name.toLowerCase().split('.').pop()];
const unknown = (file) => !/^(image|video)\//.test(file.type) && kindOf(file);
function known(files) {
  const all = new DataTransfer();
  for (const file of files) all.items.add(unknown(file) ? new File([file], file.name, { type: kindOf(file), lastModified: file.lastModified }) : file);
  return all.files;
}
if (!window.motionStudioKinds) {
  window.motionStudioKinds = true;
  document.addEventListener('change', (e) => {
    if (e.target.matches('#image input[type=file], #video input[type=file]') && [...e.target.files].some(unknown)) e.target.files = known(e.target.files);
  }, true);
  document.addEventListener('drop', (e) => {
    const box = e.target.closest && e.target.closest('#image, #video'), input = box && box.querySelector('input[type=file]');
    if (!input || !e.dataTransfer || ![...e.dataTransfer.files].some(unknown)) return;
    e.preventDefault(); e.stopPropagation();
    input.files = known(e.dataTransfer.files);
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }, true);
}

// A notice can be closed, goes when it was followed, and is brought into sight where it is not.
const calmly = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
element.addEventListener('click', (e) => { if (e.target.closest('[data-close], [data-fix]')) trigger('dismiss', {}); });
watch('value', () => setTimeout(() => {
  const card = element.querySelector(':not([data-filled]) > .kc, :not([data-filled]) > .notice-box > .kc'), box = card && card.getBoundingClientRect();
  if (box && (box.top < 0 || box.bottom > window.innerHeight)) card.scrollIntoView({ block: 'nearest', behavior: calmly ? 'auto' : 'smooth' });
}, 350));                                                                 // not for what is over at once

// The notice at the button can be closed, and goes when it was followed.
element.addEventListener('click', (e) => { if (e.target.closest('[data-close], [data-fix]')) trigger('dismiss', {}); });

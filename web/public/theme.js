// Before the first paint, so that a dark page never flashes white: what the person chose; else the system decides.
(function () {
  try {
    const chosen = localStorage.getItem('glassbox.theme');
    if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
  } catch (refused) {
    // Storage may be forbidden: the system decides.
  }
})();

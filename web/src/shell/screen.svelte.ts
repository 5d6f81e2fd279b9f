// What the window is like: how wide, and light or dark.

function watch(query: string): { readonly is: boolean } {
  const list = matchMedia(query);
  let is = $state(list.matches);
  list.addEventListener('change', () => (is = list.matches));
  return {
    get is() {
      return is;
    },
  };
}

export const screen = {
  phone: watch('(max-width: 639.98px)'), // the rail is a drawer
  railIsNarrow: watch('(max-width: 1239.98px)'),
  glassIsBeside: watch('(min-width: 920px)'), // otherwise it is a sheet
};

export type Theme = 'system' | 'light' | 'dark';
const systemIsDark = watch('(prefers-color-scheme: dark)');

class Appearance {
  theme = $state<Theme>((document.documentElement.dataset.theme as Theme) ?? 'system');

  get isDark(): boolean {
    return this.theme === 'dark' || (this.theme === 'system' && systemIsDark.is);
  }

  set(theme: Theme): void {
    this.theme = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem('glassbox.theme');
      else localStorage.setItem('glassbox.theme', theme);
    } catch {
      // Storage is forbidden: the choice lasts as long as the page.
    }
  }
}

export const appearance = new Appearance();

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// KaTeX names each font three times (woff2, woff, ttf); every browser that runs this page reads woff2.
function onlyWoff2(): Plugin {
  return {
    name: 'only-woff2',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('katex') || !id.endsWith('.css')) return null;
      return { code: code.replace(/,\s*url\([^)]+\.(?:woff|ttf)\)\s*format\(["'](?:woff|truetype)["']\)/g, ''), map: null };
    },
  };
}

const server = process.env.GLASSBOX_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [onlyWoff2(), svelte()],
  build: {
    outDir: process.env.GLASSBOX_WEB_OUT ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // data: addresses of fonts and scripts would need a looser content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900, // the plots, loaded when first shown
    reportCompressedSize: false,
  },
  // The tests read the documented format.
  server: { proxy: { '/v1': server, '/api': server, '/health': server, '^/.+/(resolve|raw)/': server }, fs: { allow: ['.', '../docs'] } },
  test: { include: ['src/**/*.test.ts'], environment: 'node', setupFiles: ['node18.mjs'] },
} as Parameters<typeof defineConfig>[0]);

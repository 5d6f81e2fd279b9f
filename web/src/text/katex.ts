// KaTeX and its style, in a part of their own: loaded when the first formula is shown.
import 'katex/dist/katex.min.css';
export { default } from 'katex';

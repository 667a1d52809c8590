/**
 * Colours are told apart by people who do not see red and green: teal, ochre and red differ in lightness too,
 * and every one comes with a word and a shape. Text has a contrast of 4.5 and more, in light and in dark;
 * test/slow/page.test.ts computes it.
 */
export const style = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#ffffff, #14171b);
  --raised: light-dark(#f4f5f6, #1d2126);
  --ink: light-dark(#17191d, #e8eaed);
  --soft: light-dark(#565d68, #a2a9b4);
  --line: light-dark(#dfe2e6, #30353c);
  --good: light-dark(#0b6b6b, #5cc4bd);
  --hurts: light-dark(#8a5300, #e8b04a);
  --blocks: light-dark(#b3201b, #ff8a80);
  --note: light-dark(#4a5a7a, #a9b8d6);
  --link: light-dark(#1f4f9c, #9cc0f5);
  --trouble: light-dark(#f6dfd9, #4d2a28);
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
* { box-sizing: border-box; }
html { background: var(--paper); scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body {
  margin: 0;
  color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
#page { max-width: 75rem; margin: 0 auto; padding: 1.5rem 2rem 3rem; }
noscript { display: block; padding: 2rem; }
p, ol, ul, dl, dd { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h1, h2, h3 { margin: 0; font-weight: 600; text-wrap: balance; }
h1 { display: flex; align-items: center; gap: .55em; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; margin-top: 1.75rem; }
h1 .mark { width: .8em; height: .8em; }
h2 { font-size: 1.125rem; margin-bottom: .75rem; }
h3 { font-size: 1rem; overflow-wrap: anywhere; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .2em; }
code, .address, kbd { font-family: var(--mono); font-size: .9em; }
kbd { border: 1px solid var(--line); border-radius: 4px; padding: 0 .4em; }
main > section { margin-top: 2.75rem; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; border-radius: 2px; }
:target { scroll-margin-top: 1rem; }
.bar { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem 1.5rem; }
.where, .age, .lead, .summary, .why, .scale, .label, .more, .from, footer, dt { color: var(--soft); }
.where strong { color: var(--ink); font-weight: 600; }
.age { display: flex; align-items: center; gap: .75rem; }
.lead { margin-top: .5rem; }
button, input {
  font: inherit;
  color: var(--ink);
  background: var(--paper);
  border: 1px solid light-dark(#8b929c, #747c88);
  border-radius: 6px;
  padding: .3rem .8rem;
  min-height: 2.25rem;
}
button:hover { background: var(--raised); }
input { width: 16rem; max-width: 100%; }
input::placeholder { color: var(--soft); opacity: 1; }

.mark { width: .8em; height: .8em; flex: none; fill: currentColor; }
.state { display: inline-flex; align-items: baseline; gap: .45em; font-weight: 600; }
.state .mark { align-self: center; }
.good { color: var(--good); }
.note { color: var(--note); }
.hurts { color: var(--hurts); }
.blocks { color: var(--blocks); }

.lost-note { display: flex; align-items: center; gap: .6em; margin-top: 1rem; color: var(--blocks); font-weight: 600; }
.lost ~ main { filter: grayscale(1); }

.findings li {
  display: grid;
  grid-template-columns: 7rem 1fr;
  gap: 0 1rem;
  padding: 1rem 0;
  border-top: 1px solid var(--line);
}
.findings li:last-child { border-bottom: 1px solid var(--line); }
main > .findings { margin-top: 1.75rem; }
.findings .state { align-self: start; }
.findings .state .mark { position: relative; top: .05em; align-self: center; }
.findings .what { font-weight: 600; overflow-wrap: anywhere; }
.findings .what a { color: inherit; text-decoration-color: var(--line); }
.findings .why { overflow-wrap: anywhere; }
.findings .remedy { margin-top: .25rem; max-width: 46rem; }
.command {
  display: inline-block;
  margin-top: .5rem;
  padding: .2rem .6rem;
  background: var(--raised);
  border-radius: 5px;
}
.command span { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }

.plots { display: grid; grid-template-columns: repeat(4, 1fr); gap: 2rem; }
.plot { min-width: 0; touch-action: pan-y; }
.plot svg { display: block; width: 100%; height: 3.5rem; overflow: visible; }
.plot .reading { display: flex; flex-direction: column; margin-bottom: .5rem; }
.plot .value { font-size: 1.625rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; }
.plot .unit { font-size: .9375rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.plot .scale { display: flex; justify-content: space-between; gap: .5rem; font-size: .8125rem; margin-top: .35rem; white-space: nowrap; }
.plot .curve { fill: none; stroke: var(--good); stroke-width: 1.75; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot .area { fill: var(--good); opacity: .12; }
.plot.alarm .curve { stroke: var(--blocks); }
.plot.alarm .area { fill: var(--blocks); }
.plot .ground, .plot .cursor { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.plot .cursor { stroke: var(--ink); }
.plot .trouble { fill: var(--trouble); }
.plot.small { width: 11rem; position: relative; }
.plot.small svg { height: 1.75rem; }
.plot.small .scale {
  position: absolute;
  right: 0;
  bottom: 100%;
  padding: 0 .35rem;
  background: var(--paper);
  white-space: nowrap;
}

table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: baseline; padding: .55rem 1.25rem .55rem 0; border-top: 1px solid var(--line); }
th { font-weight: 400; font-size: .8125rem; color: var(--soft); border-top: 0; padding: 0 1.25rem .3rem 0; }
th:last-child, td:last-child { padding-right: 0; }
td { overflow-wrap: anywhere; }
td strong { font-weight: 600; }
td .state, td.number, th { white-space: nowrap; overflow-wrap: normal; }
td .more, dd .more { display: block; font-size: .8125rem; white-space: normal; overflow-wrap: anywhere; }
.number { text-align: right; }
td:has(.plot) { width: 11rem; vertical-align: middle; }
#listeners .address { white-space: nowrap; }

.pool { padding-top: .25rem; }
.pool + .pool { margin-top: 2.25rem; }
.pool > .bar { margin-bottom: .75rem; }
#pools > .bar { margin-bottom: .75rem; }
#pools > .bar h2 { margin: 0; }
.pool td:first-child, .pool th:first-child { width: 8.5rem; }
.pool td:nth-child(2), .pool th:nth-child(2) { width: 19rem; }
summary { cursor: pointer; padding: .6rem 0; color: var(--link); }
.pool > .more { padding-top: .6rem; }

.limits li {
  display: grid;
  grid-template-columns: 15rem 14rem 10rem 1fr;
  gap: 0 1.25rem;
  align-items: center;
  padding: .55rem 0;
  border-top: 1px solid var(--line);
}
.limits .name { overflow-wrap: anywhere; }
svg.bar { display: block; width: 100%; height: .5rem; border-radius: 2px; }
.bar .room { fill: var(--line); }
.bar .used { fill: currentColor; }
.amount { white-space: nowrap; }

dl { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1.25rem 2rem; }
dt { font-size: .8125rem; }
dd { overflow-wrap: anywhere; }
.line { display: block; min-height: 1.5em; white-space: pre-wrap; color: var(--soft); font-size: .8125rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; }
.keys { margin-top: .5rem; }

@media (max-width: 68rem) {
  .plots { grid-template-columns: 1fr 1fr; }
  .limits li { grid-template-columns: 1fr auto; gap: .25rem 1.25rem; }
  .limits svg { grid-column: 1 / -1; grid-row: 2; }
  .limits .from { grid-column: 1 / -1; }
}
@media (max-width: 60rem) {
  table, tbody, tr, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: .8rem 0; border-top: 1px solid var(--line); display: grid; grid-template-columns: 7rem 1fr 1fr; gap: .5rem 1rem; }
  td, td.number, .pool td:first-child, .pool td:nth-child(2), td:has(.plot) {
    width: auto;
    border: 0;
    padding: 0;
    text-align: left;
  }
  td.empty { display: none; }
  td::before { content: attr(data-column); display: block; font-size: .8125rem; color: var(--soft); }
  :is(td[data-column=State], td[data-column=Listener], td[data-column=Endpoint], td[data-column=Because])::before {
    content: none;
  }
  td[data-column=Listener], td[data-column=Endpoint] { grid-column: 2 / -1; }
  td[data-column=Address] { grid-column: 1 / 3; }
  td[data-column=Because], td:has(.plot) { grid-column: 1 / -1; }
  .plot.small { width: 100%; }
  #listeners .address { white-space: normal; }
  dl { grid-template-columns: 1fr 1fr; }
}
@media (max-width: 34rem) {
  #page { padding: 1rem 1rem 2rem; }
  h1 { font-size: 1.625rem; margin-top: 1.25rem; }
  main > section { margin-top: 2.25rem; }
  .findings li { grid-template-columns: 1fr; gap: .25rem; }
  .plots { gap: 1.5rem 1.25rem; }
  .plot .value { font-size: 1.375rem; }
  .keys { display: none; }
  input { width: 100%; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media print { button, input, .keys { display: none; } }
`

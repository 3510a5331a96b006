/** The dashboard's style sheet. Works from a phone's width up, light and dark by what the system prefers. */
export const dashboardStyle = `:root {
  color-scheme: light dark;
  --ground: #f4f6f9; --card: #fff; --text: #1c2536; --soft: #5c6880; --line: #dde3ec;
  --accent: #1f5fd0; --on-accent: #fff; --down: #1f6fd0; --up: #b3541e;
  --good: #1a7a45; --warn: #9a6200; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10151f; --card: #1a2230; --text: #e6ebf4; --soft: #9aa7bd; --line: #2c3648;
    --accent: #7fb0ff; --on-accent: #0d1a30; --down: #7fb0ff; --up: #f0a35e;
    --good: #6fd39b; --warn: #f2c14e; --bad: #ff8a80;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; max-width: 56rem; padding: 1.5rem 1rem 3rem;
  background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
}
h1, h2, p, ul { margin: 0 }
h1 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere }
h2 { font-size: .875rem; font-weight: 600; color: var(--soft) }
a { color: var(--accent) }
.soft { color: var(--soft); font-size: .875rem }
header { display: flex; align-items: center; gap: .75rem; margin-bottom: 1.5rem }
header div { flex: 1; min-width: 0 }
.key { font: .75rem/1.5 ui-monospace, monospace; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.pill {
  flex: none; max-width: 50%; padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem;
  font-size: .875rem; color: var(--soft); background: var(--card);
}
.pill::before { content: "●"; margin-right: .4rem; font-size: .7em; vertical-align: .1em }
.pill.good { color: var(--good) } .pill.warn { color: var(--warn) } .pill.bad { color: var(--bad) }
form, .tile, .links li { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem }
form { margin-bottom: 1rem }
label { display: block; font-weight: 600; margin-bottom: .5rem }
.bar { display: flex; gap: .5rem }
input, button { font: inherit; border-radius: .5rem; padding: .6rem .9rem; border: 1px solid var(--line) }
input { flex: 1; min-width: 0; color: inherit; background: var(--ground) }
button { border-color: var(--accent); background: var(--accent); color: var(--on-accent); font-weight: 600; cursor: pointer }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
input:focus-visible { outline-width: 2px; outline-offset: -1px }
#wrong { color: var(--bad); font-size: .875rem }
#wrong:not(:empty) { margin-top: .5rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: 1rem; margin-bottom: 1.5rem }
.figure { font-size: 1.75rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums }
.spark { display: block; width: 100%; height: 2rem }
.spark polyline { fill: none; stroke: currentColor; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round }
.down { color: var(--down) } .up { color: var(--up) }
main > section { margin-bottom: 1.5rem }
main > section > h2 { margin-bottom: .5rem }
.links { list-style: none; padding: 0; display: grid; grid-template-columns: minmax(0, 1fr); gap: .5rem }
.links li { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem 1rem; padding: .7rem 1rem }
.links .name { font-weight: 600; flex: 1 1 9rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.links .rate { font-variant-numeric: tabular-nums; min-width: 6.5rem }
.links .soft { flex: 1 0 100% }
footer { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1rem; border-top: 1px solid var(--line); padding-top: 1rem }
[hidden] { display: none }
@media (max-width: 32rem) {
  .tiles { grid-template-columns: 1fr 1fr; gap: .5rem }
  .tile:first-child { grid-column: 1 / -1 }
  .tile:not(:first-child) .figure { font-size: 1.25rem }
  .links .name { flex-basis: 100% }
}
`

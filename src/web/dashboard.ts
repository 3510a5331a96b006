/**
 * The dashboard's program, for the browser: shows the peer's figures as they come, and turns addresses into `/proxy/…`. Text
 * from elsewhere gets into the page as text only.
 */
import { render } from 'lit-html'
import { filter, fromEvent, scan, startWith } from 'rxjs'
import { proxyPathOf } from './dashboard/address.js'
import { nicknameRule } from '../protocol/peer/nickname.js'
import { figures$ } from './dashboard/figures.js'
import { initialState, stepDashboard } from './dashboard/step.js'
import { liveView, processLine, statusView } from './dashboard/view.js'

function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element #${id}`)
  return found as Kind
}

const [status, live, process] = [element('status'), element('live'), element('process')]
status.replaceChildren()
live.replaceChildren()

figures$()
  .pipe(scan(stepDashboard, initialState), startWith(initialState))
  .subscribe(state => {
    render(statusView(state), status)
    render(liveView(state), live)
    render(processLine(state), process)
  })

const address = element<HTMLInputElement>('address')
const wrong = element('wrong')
fromEvent(element('go'), 'submit').subscribe(event => {
  event.preventDefault()
  const path = proxyPathOf(address.value)
  wrong.textContent = path === undefined ? `Write lighthouse://nickname/path. A nickname is ${nicknameRule}.` : ''
  if (path !== undefined) location.assign(path)
})

// What the back button brings back as it was has given its connection up.
fromEvent<PageTransitionEvent>(window, 'pageshow')
  .pipe(filter(({ persisted }) => persisted))
  .subscribe(() => location.reload())

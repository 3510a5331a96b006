import type { HubStore } from '../../ports/store.js'

/** The same store; `failed` hears of every call that it rejects, by the call's name. */
export function countedStore(store: HubStore, failed: (operation: keyof HubStore) => void): HubStore {
  return new Proxy(store, {
    get:
      (_store, operation: keyof HubStore) =>
      async (...args: readonly unknown[]): Promise<unknown> => {
        try {
          return (await Reflect.apply(store[operation], store, args)) as unknown
        } catch (error) {
          failed(operation)
          throw error
        }
      },
  })
}

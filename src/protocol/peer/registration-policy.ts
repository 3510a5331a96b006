/** Who may register at a hub: everybody, who has a code from the operator, or nobody. */
export const registrationPolicies = ['open', 'invite', 'closed'] as const

/** One of these. */
export type RegistrationPolicy = (typeof registrationPolicies)[number]

import { failureText } from '../telemetry/journal.ts'
import { exitCode } from './exit-code.ts'

/** Says what is wrong with how the program was called. Returns the exit code. */
export function refuseUsage(message: string): number {
  complainLoudly(`spliceway: ${message}\n`)
  return exitCode.usage
}

/** Says what is wrong with the configuration. Returns the exit code. */
export function refuseConfig(message: string): number {
  complainLoudly(`${message}\n`)
  return exitCode.config
}

/** On standard error, as a failure where that is the journal. */
export function complainLoudly(text: string): void {
  process.stderr.write(failureText(text, process.env.JOURNAL_STREAM))
}

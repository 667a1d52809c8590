import { failureText } from '../telemetry/journal.ts'
import { exitCode } from './exit-code.ts'
import { report } from './report.ts'

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

/** On standard error, as a failure where that is the journal, and to whoever has started us to take over. */
export function complainLoudly(text: string): void {
  report(text)
  process.stderr.write(failureText(text, process.env.JOURNAL_STREAM))
}

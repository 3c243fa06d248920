/** `assay deploy`: puts the service on App Engine from a checkout, or shows how it would. */
import { Command, InvalidArgumentError } from 'commander';
import { type DeployOptions, type Part, PARTS } from './plan.js';

export function deployCommand(): Command {
  return new Command('deploy')
    .description('Put the service on Google App Engine, from a checkout')
    .option(
      '--dry-run',
      'check everything that can be checked here, print the commands, change nothing',
      false,
    )
    .option('--project <id>', "the project; default GOOGLE_CLOUD_PROJECT, then gcloud's")
    .option('--region <region>', 'of App Engine and Firestore', 'europe-west1')
    .option(
      '--account <email>',
      'under which the service runs; default assay@PROJECT.iam.gserviceaccount.com',
    )
    .option('--name <version>', 'of the new version; default from the time')
    .option('--promote', 'give the new version all traffic at once', false)
    .option('--only <parts>', `some of ${PARTS.join(',')}`, parts)
    .addHelpText(
      'after',
      '\nWithout --promote the new version gets no traffic until you move it there.\ndocs/deploy.md explains every step.\n\nExamples:\n  $ npm run deploy -- --dry-run --project my-project\n  $ npm run deploy -- --project my-project --only app,cron --promote\n',
    )
    .action(async (options: DeployOptions) => {
      const { deploy } = await import('./deploy.js');
      process.exitCode = await deploy(process.cwd(), options, (line) => console.log(line));
    });
}

function parts(text: string): Part[] {
  const named = text.split(',').map((part) => part.trim());
  const unknown = named.find((part) => !(PARTS as readonly string[]).includes(part));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${PARTS.join(', ')}.`);
  return named as Part[];
}

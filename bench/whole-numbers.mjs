/** The values of these options as whole numbers of 1 or more; ends the program, with a sentence, at one that is none. */
export const wholeNumbers = (args, names) => names.map((name) => wholeNumber(args, name));

function wholeNumber(args, name) {
  const value = Number(args[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  console.error(`--${name} ${args[name]} is not a whole number of 1 or more.`);
  return process.exit(2);
}

// What the editor holds when a language is chosen: a function to go on with.

export const STARTS = {
  python: 'def mean(values):\n    """Return the average of a list of numbers."""\n    total = 0\n    for value in values:\n        ',
  javascript: "// Return the average of an array of numbers.\nfunction mean(values) {\n  let total = 0;\n  for (const value of values) {\n    ",
  typescript: "// Return the average of an array of numbers.\nexport function mean(values: number[]): number {\n  let total = 0;\n  for (const value of values) {\n    ",
  java: "class Numbers {\n    /** Return the average of an array of numbers. */\n    static double mean(double[] values) {\n        double total = 0;\n        for (double value : values) {\n            ",
  go: "package numbers\n\n// Mean returns the average of a slice of numbers.\nfunc Mean(values []float64) float64 {\n\ttotal := 0.0\n\tfor _, value := range values {\n\t\t",
  cpp: "#include <vector>\n\n// Return the average of a list of numbers.\ndouble mean(const std::vector<double>& values) {\n    double total = 0;\n    for (double value : values) {\n        ",
};

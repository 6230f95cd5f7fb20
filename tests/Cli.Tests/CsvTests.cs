namespace Cli.Tests;

/// <summary>What customers call themselves stands in files that accountants open: it must not compute there.</summary>
public sealed class CsvTests
{
    private static string Written(params object?[] row)
    {
        using var output = new StringWriter { NewLine = "\n" };
        Csv.WriteRow(output, row);
        return output.ToString()[..^1];
    }

    [Theory]
    [InlineData("Acme", "Acme")]
    [InlineData("Acme, Inc.", "\"Acme, Inc.\"")]
    [InlineData("the \"A\"", "\"the \"\"A\"\"\"")]
    [InlineData("1-2=3@a+b", "1-2=3@a+b")]
    [InlineData("a; b", "\"a; b\"")]
    [InlineData("a\tb", "\"a\tb\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+1", "'+1")]
    [InlineData("-1", "'-1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData(" =1+1", "' =1+1")]
    [InlineData("\t=1+1", "\"'\t'=1+1\"")]
    [InlineData("\tx", "\"'\tx\"")]
    [InlineData("\rx", "\"'\rx\"")]
    [InlineData("\nx", "\"'\nx\"")]
    [InlineData("x;=1+1", "\"x;'=1+1\"")]
    [InlineData("x;+1", "\"x;'+1\"")]
    [InlineData("x;-1", "\"x;'-1\"")]
    [InlineData("x;@SUM(A1)", "\"x;'@SUM(A1)\"")]
    [InlineData("x; \"=1+1\"", "\"x;' \"\"=1+1\"\"\"")]
    [InlineData("x\n=1+1", "\"x\n'=1+1\"")]
    public void No_text_becomes_a_formula_whatever_the_program_cuts_at(string text, string written)
    {
        Assert.Equal(written, Written(text));
        // A program that cuts at semicolons or tabs sees no quotes within a cell.
        Assert.All(Written("a", text).Split([';', '\t', '\r', '\n']), cell => Assert.DoesNotMatch("^[ \"]*[=+@-]", cell));
    }

    [Fact]
    public void A_number_is_one_below_zero_too() => Assert.Equal("-12.50,0,,7", Written(-12.50m, 0L, null, 7));
}

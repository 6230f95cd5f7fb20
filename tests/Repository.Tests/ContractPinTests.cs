using System.Reflection;
using Google.Protobuf.Reflection;

namespace Repository.Tests;

/// <summary>
/// What goes over the wire is pinned, a line for each field: others have built on it. New lines may come; a line that is there stays for ever.
/// </summary>
public sealed class ContractPinTests
{
    /// <summary>With this set the tests add the new lines to the pinned files, and still fail when an old one is gone.</summary>
    private const string AddVariable = "BILLING_PIN_NEW_FIELDS";

    private static readonly Assembly Contracts = typeof(global::Contracts.Messages.UsageRecorded).Assembly;

    [Fact]
    public void Every_proto_field_keeps_its_number_and_type() => MustMatch("tests/Repository.Tests/proto-fields.txt", ProtoLines());

    [Fact]
    public void Every_message_keeps_its_properties_and_their_types() => MustMatch("tests/Repository.Tests/messages.txt", MessageLines());

    private static IEnumerable<string> ProtoLines()
    {
        var files = Contracts.GetTypes()
            .Select(type => type.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static))
            .Where(property => property?.PropertyType == typeof(FileDescriptor))
            .Select(property => (FileDescriptor)property!.GetValue(null)!);
        foreach (var file in files)
        {
            foreach (var line in file.MessageTypes.SelectMany(MessageLines).Concat(file.EnumTypes.SelectMany(EnumLines))) yield return line;
            foreach (var method in file.Services.SelectMany(service => service.Methods))
                yield return $"{method.Service.FullName}/{method.Name} {Streamed(method.IsClientStreaming)}{method.InputType.FullName} -> {Streamed(method.IsServerStreaming)}{method.OutputType.FullName}";
        }
    }

    private static string Streamed(bool streamed) => streamed ? "stream " : "";

    private static IEnumerable<string> MessageLines(MessageDescriptor message) =>
        message.Fields.InFieldNumberOrder().Select(field => $"{field.FullName} = {field.FieldNumber} {TypeOf(field)}")
            .Concat(message.NestedTypes.Where(nested => !(nested.GetOptions()?.MapEntry ?? false)).SelectMany(MessageLines))
            .Concat(message.EnumTypes.SelectMany(EnumLines));

    private static IEnumerable<string> EnumLines(EnumDescriptor @enum) => @enum.Values.Select(value => $"{@enum.FullName}.{value.Name} = {value.Number}");

    private static string TypeOf(FieldDescriptor field)
    {
        if (field.IsMap) return $"map<{TypeOf(field.MessageType.Fields[1])}, {TypeOf(field.MessageType.Fields[2])}>";
        var type = field.FieldType switch
        {
            FieldType.Message => field.MessageType.FullName,
            FieldType.Enum => field.EnumType.FullName,
            var scalar => scalar.ToString().ToLowerInvariant(),
        };
        return (field.IsRepeated ? "repeated " : field.HasPresence && field.FieldType != FieldType.Message ? "optional " : "") + type;
    }

    private static IEnumerable<string> MessageLines() =>
        from type in Contracts.GetTypes()
        where type is { IsPublic: true, Namespace: "Contracts.Messages" } && !(type.IsAbstract && type.IsSealed)
        from line in type.IsEnum
            ? Enum.GetNames(type).Select(name => $"{type.FullName}.{name} = {Convert.ToInt32(Enum.Parse(type, name), System.Globalization.CultureInfo.InvariantCulture)}")
            : type.GetProperties().Select(property => $"{type.FullName}.{property.Name} : {NameOf(new NullabilityInfoContext().Create(property))}")
        select line;

    private static string NameOf(NullabilityInfo property) =>
        (property.GenericTypeArguments is [] || Nullable.GetUnderlyingType(property.Type) is not null
            ? (Nullable.GetUnderlyingType(property.Type) ?? property.Type).Name
            : $"{property.Type.Name.Split('`')[0]}<{string.Join(", ", property.GenericTypeArguments.Select(NameOf))}>")
        + (property.ReadState == NullabilityState.Nullable ? "?" : "");

    private static void MustMatch(string file, IEnumerable<string> lines)
    {
        string[] now = [.. lines.Distinct().Order(StringComparer.Ordinal)];
        var pinned = Tree.Files.Contains(file) ? Tree.Lines(file) : [];
        Tree.MustHold(
            pinned.Except(now),
            $"These lines of {file} are no longer so, but somebody's client or stored message relies on them. Put the field back as it was; to retire it, "
            + "stop filling it and say so in its comment; to change it, add a field beside it.");

        string[] added = [.. now.Except(pinned)];
        if (added is not [] && Environment.GetEnvironmentVariable(AddVariable) is { Length: > 0 })
            File.WriteAllLines(Path.Combine(Tree.Root, file), now);
        else
            Tree.MustHold(added, $"New in the contracts, and to be kept for ever once published. If that is meant, pin them in {file}: {AddVariable}=1 dotnet test tests/Repository.Tests");
    }
}

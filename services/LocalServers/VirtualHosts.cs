namespace LocalServers;

/// <summary>Virtual hosts of any RabbitMQ that can be administered by a command: a private node's script, or docker exec … rabbitmqctl.</summary>
public static class VirtualHosts
{
    /// <summary>
    /// Makes the virtual hosts (plain names: letters, digits, - and _) and lets the user do everything there. One call for all of them, for
    /// each start of rabbitmqctl costs half a second.
    /// </summary>
    public static async Task CreateAsync(string rabbitmqctl, IEnumerable<string> names, string user = "guest", CancellationToken cancel = default)
    {
        var list = string.Join(", ", names.Select(name => $"<<\"{name}\">>"));
        var expression = $"""
            [begin ok = rabbit_vhost:add(Name, <<"billing">>),
                   ok = rabbit_auth_backend_internal:set_permissions(<<"{user}">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"billing">>)
             end || Name <- [{list}]].
            """;
        var (exit, output) = await Processes.RunAsync("/bin/sh", ["-c", $"exec {rabbitmqctl} eval \"$1\"", "sh", expression], "/", cancel);
        if (exit != 0 || output.Contains("{error", StringComparison.Ordinal))
            throw new ServerUnavailableException($"RabbitMQ refused to make virtual hosts: {output.Trim()}");
    }
}

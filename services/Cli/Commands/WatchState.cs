using System.Text.Json;
using System.Text.Json.Serialization;
using PlanDesign.Estimation;

namespace Cli.Commands;

/// <summary>What the watch compares with, and what it did: the time up to <paramref name="Until"/>, and the draft that it made last.</summary>
/// <param name="WithoutPlan">How many had seen the menu and bought nothing by then; null where nobody counts them.</param>
/// <param name="Pending">A draft that was asked for and not heard of: it is asked for again, word for word, under the same key.</param>
public sealed record WatchState(string MenuId, DateTimeOffset From, DateTimeOffset Until, long? WithoutPlan = null, string? DraftedMenuId = null, PendingDraft? Pending = null)
{
    /// <summary>The time up to <see cref="Until"/> had enough to compare with. False in states from before this was remembered: then it is looked at again.</summary>
    public bool HasEnough { get; init; }

    public IReadOnlyList<WatchMark> Marks { get; init; } = [];
    public WatchMark? MovedAt { get; init; }
    public bool IsJudged { get; init; }

    public static WatchState Begin(string menuId, DateTimeOffset onSaleFrom, bool counted) => new WatchState(menuId, onSaleFrom, onSaleFrom).At(WatchedTime.Begin(onSaleFrom, counted));

    [JsonIgnore]
    public WatchedTime Time => new(From, new(Until, WithoutPlan)) { HasEnough = HasEnough, Marks = Marks, MovedAt = MovedAt, IsJudged = IsJudged };

    public WatchState At(WatchedTime time) => this with
    {
        From = time.From, Until = time.Until.At, WithoutPlan = time.Until.WithoutPlan, HasEnough = time.HasEnough, Marks = time.Marks, MovedAt = time.MovedAt, IsJudged = time.IsJudged,
    };

    /// <returns>Null where the watch has not begun.</returns>
    public static async Task<WatchState?> ReadAsync(string file, CancellationToken ct)
    {
        if (!File.Exists(file)) return null;
        try
        {
            return JsonSerializer.Deserialize<WatchState>(await File.ReadAllTextAsync(file, ct), JsonSerializerOptions.Web) is { MenuId: not null } state ? state
                : throw new UserException($"{file} holds no state of a watch: give a file of its own, or none yet");
        }
        catch (JsonException e)
        {
            throw new UserException($"{file}: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PassingException($"{file}: {e.Message}");
        }
    }

    /// <summary>Beside the file and then in its place: whoever is killed meanwhile leaves the old state or the new one.</summary>
    public async Task WriteAsync(string file, CancellationToken ct)
    {
        try
        {
            await File.WriteAllTextAsync(file + ".new", JsonSerializer.Serialize(this, JsonSerializerOptions.Web) + "\n", ct);
            File.Move(file + ".new", file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PassingException($"{file} cannot be written: {e.Message}");
        }
    }
}

/// <param name="Key">Derived from the request, so that the same draft has the same key whoever asks for it.</param>
/// <param name="Request">A DraftMenuRequest in protobuf's JSON.</param>
/// <param name="TooLong">How often it took longer to solve than it may.</param>
public sealed record PendingDraft(string Key, string Request, int TooLong = 0)
{
    /// <summary>Then it is not the service that was busy.</summary>
    public const int TooLongMax = 3;
}

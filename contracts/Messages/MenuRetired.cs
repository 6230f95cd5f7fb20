namespace Contracts.Messages;

/// <summary>
/// A menu is off sale for good: nobody new may take a plan of it, and who has one keeps it. From plan design, for billing. It may come before
/// the menu's own <see cref="MenuPublished"/>.
/// </summary>
/// <param name="Reason">as whoever retired it put it</param>
/// <param name="RetiredAt">business time</param>
public sealed record MenuRetired(string MenuId, string Reason, DateTimeOffset RetiredAt);

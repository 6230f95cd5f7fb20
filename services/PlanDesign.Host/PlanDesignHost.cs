using Grpc.Core;
using JasperFx.Events.Projections;
using Marten;
using Microsoft.Extensions.Options;
using Npgsql;
using PlanDesign.Menus;

namespace PlanDesign.Host;

public static class PlanDesignHost
{
    public const string Schema = "plan_design";

    /// <summary>Raised by one whenever what <see cref="ConfigureStore"/> makes of the schema changes, and only added to: a test pins it.</summary>
    public const int SchemaVersion = 1;

    /// <summary>What gRPC puts before a message.</summary>
    private const int FrameBytes = 5;

    /// <param name="configure">Adds the last configuration source.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = ServiceDefaults.CreateBuilder("plan-design", args, StatusOf, configure);
        builder.AddValidatedOptions<PlanDesignOptions>(PlanDesignOptions.Section);
        builder.AddEventStore(Schema, SchemaVersion, builder.Configuration[$"{PlanDesignOptions.Section}:{nameof(PlanDesignOptions.Postgres)}"] ?? "", ConfigureStore)
            .AddSubscriptionWithServices<MenuPublisher>(ServiceLifetime.Singleton)
            .AddSubscriptionWithServices<MenuRetirementPublisher>(ServiceLifetime.Singleton);
        builder.AddAccess(PlanDesignAccess.Methods, Schema, services => services.GetRequiredService<NpgsqlDataSource>());
        builder.AddBus();
        // What the limits allow must also arrive: gRPC takes 4 MB by default, and Kestrel 30.
        var messageBytesMax = builder.ReadOr(PlanDesignOptions.Section, new PlanDesignOptions()).MessageBytesMax;
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = messageBytesMax);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = messageBytesMax + FrameBytes);
        builder.Services.AddSingleton<PlanDesignMetrics>();
        builder.Services.AddSingleton<BoundedSolver>();
        builder.Services.AddSingleton(services => new MenuSigner(
            services.GetRequiredService<IOptions<PlanDesignOptions>>(), builder.Environment, services.GetRequiredService<ILogger<MenuSigner>>()));
        builder.Services.AddSingleton<Neighbours>();
        builder.Services.AddSingleton<Estimating>();

        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapGrpcService<PlanDesignService>();
        return app;
    }

    /// <summary>What the store must know to read and write menus.</summary>
    public static void ConfigureStore(StoreOptions options)
    {
        options.Events.AddEventTypes([typeof(MenuDrafted), typeof(MenuSolved), typeof(MenuPublished), typeof(MenuRetired), typeof(MenuDiscarded)]);
        options.Projections.Add<MenuCatalog>(ProjectionLifecycle.Inline);
    }

    /// <summary>What billing hears of: menus that were published and that were retired.</summary>
    public static readonly IReadOnlyList<string> Publishers = [MenuPublisher.ShardName, MenuRetirementPublisher.ShardName];

    /// <summary>Every menu is announced again when the service is started next, by its settings in the environment.</summary>
    /// <returns>the exit code</returns>
    public static Task<int> PublishAgainAsync()
    {
        var options = new ConfigurationBuilder().AddEnvironmentVariables().Build().GetSection(PlanDesignOptions.Section).Get<PlanDesignOptions>() ?? new();
        return PublishAgain.MainAsync(Schema, Publishers, () => PublishAgain.RunAsync(Schema, options.Postgres, Publishers));
    }

    private static StatusCode StatusOf(string reason) => reason switch
    {
        "market_invalid" or "menu_invalid" or "observations_invalid" => StatusCode.InvalidArgument,
        "market_too_large" or "solves_too_many" or "solve_too_long" => StatusCode.ResourceExhausted,
        "usage_unreachable" or "billing_unreachable" => StatusCode.Unavailable,
        "menu_not_found" => StatusCode.NotFound,
        "menu_exists" => StatusCode.AlreadyExists,
        "menu_not_solved" or "menu_not_certified" or "menu_empty" or "menu_retired" or "signing_key_missing" or "usage_refused" or "billing_refused" => StatusCode.FailedPrecondition,
        _ => StatusCode.Internal,
    };
}
